"""Speak JSON with an API server, as its administrator.

The Kubernetes client brings login and connection; its models are left aside,
because what is written here is what they would not let pass.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from kubernetes import config

MERGE_PATCH = "application/merge-patch+json"
GROUPS = {
    "efficientnetjobs": "/apis/efficientnet.dev/v1alpha1",
    "podgroups": "/apis/scheduling.k8s.io/v1beta1",
    "podgroups.scheduling.volcano.sh": "/apis/scheduling.volcano.sh/v1beta1",
    "podgroups.scheduling.x-k8s.io": "/apis/scheduling.x-k8s.io/v1alpha1",
    "workloads": "/apis/kueue.x-k8s.io/v1beta2",
    "resourceflavors": "/apis/kueue.x-k8s.io/v1beta2",
}
CORE = "/api/v1"


class RefusedError(Exception):
    """The API server said no; ``status`` is the HTTP status, the text its own words."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class Api:
    """Requests to one API server; paths are made of resource, namespace and name."""

    def __init__(self, kubeconfig: Path) -> None:
        self._client = config.new_client_from_config(str(kubeconfig))

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, resource: str, namespace: str, name: str) -> dict[str, Any]:
        """Return one object."""
        return self._request("GET", _path(resource, namespace, name))

    def find(self, resource: str, namespace: str, name: str) -> dict[str, Any] | None:
        """Return one object, None where there is none."""
        try:
            return self.get(resource, namespace, name)
        except RefusedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None

    def list_all(self, resource: str, namespace: str, selector: str = "") -> list[dict[str, Any]]:
        """Return the objects of a namespace."""
        query = {"labelSelector": selector}
        return self._request("GET", _path(resource, namespace), query=query)["items"]

    def version(self, resource: str, namespace: str) -> str:
        """Return the resourceVersion of now, to ask ``history`` from."""
        answer = self._request("GET", _path(resource, namespace), query={"limit": 1})
        return answer["metadata"]["resourceVersion"]

    def history(self, resource: str, namespace: str, since: str) -> list[dict[str, Any]]:
        """Return all watch events from a resourceVersion until now; takes a second.

        A server so busy that it tells nothing within a second is given ten: whoever asks knows
        that something happened.
        """
        query = {"watch": "true", "resourceVersion": since}
        for seconds in (1, 10):
            path = _path(resource, namespace)
            text = self._send("GET", path, query=query | {"timeoutSeconds": seconds})
            if text:
                break
        return [json.loads(line) for line in text.splitlines()]

    def create(self, resource: str, namespace: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object; return it as stored."""
        return self._request("POST", _path(resource, namespace), body)

    def patch(
        self,
        resource: str,
        namespace: str,
        name: str,
        body: Mapping[str, Any],
        subresource: str = "",
    ) -> dict[str, Any]:
        """Merge-patch an object; return it as stored."""
        return self._request("PATCH", _path(resource, namespace, name, subresource), body)

    def bind(self, namespace: str, pod: str, node: str) -> None:
        """Give a pod its node, as a scheduler does."""
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        body = {"metadata": {"name": pod}, "target": target}
        self._request("POST", _path("pods", namespace, pod, "binding"), body)

    def delete(self, resource: str, namespace: str, name: str = "", propagation: str = "") -> None:
        """Delete one object, or all of a namespace; what they own goes by ``propagation``."""
        query = {"propagationPolicy": propagation}
        self._request("DELETE", _path(resource, namespace, name), query=query)

    def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._send(method, path, body, query))
        return answer

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> bytes:
        url = self._client.configuration.host + path
        if query:
            url += "?" + urlencode({k: v for k, v in query.items() if v != ""})
        kind = MERGE_PATCH if method == "PATCH" else "application/json"
        headers = {"Accept": "application/json", "Content-Type": kind}
        response = self._client.call_api(method, url, headers, body)
        text: bytes = response.read()
        if response.status >= 400:
            raise RefusedError(response.status, json.loads(text).get("message", ""))
        return text


def _path(resource: str, namespace: str, name: str = "", subresource: str = "") -> str:
    scope = f"namespaces/{namespace}" if namespace else ""
    plural = resource.partition(".")[0]
    parts = (GROUPS.get(resource, CORE), scope, plural, name, subresource)
    return "/".join(part for part in parts if part)
