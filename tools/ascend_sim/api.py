"""The few requests that the plugin makes to the API server, as raw JSON."""

import json
from pathlib import Path
from typing import Any, Self

import yaml
from kubernetes.aio import client, config

_MERGE_PATCH = "application/merge-patch+json"
_APPLY_PATCH = "application/apply-patch+yaml"
_FIELD_MANAGER = "ascend-device-plugin"
_NAMESPACE = "kube-system"


class ApiError(Exception):
    """The API server refused a request; its own words."""


class Api:
    """One connection; use it as a context manager."""

    def __init__(self, kubeconfig: str) -> None:
        self._kubeconfig = kubeconfig

    async def __aenter__(self) -> Self:
        """Log in."""
        self._client = await config.new_client_from_config(self._kubeconfig)
        token = find_token_file(self._kubeconfig)
        if token:
            # A token ends after a day; the plugin runs on, and whoever renews it writes here.
            self._client.configuration.refresh_api_key_hook = lambda settings: (
                settings.api_key.update(BearerToken=f"Bearer {token.read_text().strip()}")
            )
        self._core = client.CoreV1Api(self._client)
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Close the connection."""
        await self._client.close()

    async def get_node(self, name: str) -> dict[str, Any]:
        """Return a node."""
        return await _json(await self._core.read_node_without_preload_content(name))

    async def list_pods(self, node: str) -> list[dict[str, Any]]:
        """Return the pods that are bound to a node."""
        answer = await self._core.list_pod_for_all_namespaces_without_preload_content(
            field_selector=f"spec.nodeName={node}"
        )
        items: list[dict[str, Any]] = (await _json(answer))["items"]
        return items

    async def patch_node(
        self, name: str, labels: dict[str, str], annotations: dict[str, str]
    ) -> None:
        """Set labels and annotations of a node."""
        patch = {"metadata": {"labels": labels, "annotations": annotations}}
        await _json(
            await self._core.patch_node_without_preload_content(
                name, patch, _content_type=_MERGE_PATCH
            )
        )

    async def annotate_pod(self, pod: dict[str, Any], annotations: dict[str, str]) -> None:
        """Set annotations of this very pod, not of a successor of the same name."""
        meta = pod["metadata"]
        patch = {"metadata": {"uid": meta["uid"], "annotations": annotations}}
        await _json(
            await self._core.patch_namespaced_pod_without_preload_content(
                meta["name"], meta["namespace"], patch, _content_type=_MERGE_PATCH
            )
        )

    async def apply_config_map(
        self, name: str, labels: dict[str, str], data: dict[str, str]
    ) -> None:
        """Create or replace a ConfigMap in kube-system."""
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": _NAMESPACE, "labels": labels},
            "data": data,
        }
        await _json(
            await self._core.patch_namespaced_config_map_without_preload_content(
                name,
                _NAMESPACE,
                body,
                field_manager=_FIELD_MANAGER,
                force=True,
                _content_type=_APPLY_PATCH,
            )
        )


def find_token_file(kubeconfig: str) -> Path | None:
    """Return where the first user of a kubeconfig has its token, None if that user has no file."""
    user = yaml.safe_load(Path(kubeconfig).read_text())["users"][0]["user"]
    return Path(user["tokenFile"]) if "tokenFile" in user else None


async def _json(answer: Any) -> dict[str, Any]:
    content = json.loads(await answer.read())
    if answer.status >= 400:
        raise ApiError(content.get("message", f"HTTP status {answer.status}"))
    return dict(content)
