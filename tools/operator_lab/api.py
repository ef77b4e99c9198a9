"""Speak JSON with an API server, as its administrator.

The Kubernetes client brings login and connection; its models are left aside,
because what is written here is what they would not let pass.
"""

import json
from collections.abc import Iterator, Mapping
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
    "roles": "/apis/rbac.authorization.k8s.io/v1",
    "clusterroles": "/apis/rbac.authorization.k8s.io/v1",
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

        A watch does not say by itself that it has told all.  It is asked for bookmarks, of
        which the server sends one two seconds before it ends the watch, and is read until an
        event or a bookmark is as new as the list of before.

        Raises:
            RefusedError: the server does not remember so far back.
            TimeoutError: it has not told all after several attempts.
        """
        path = _path(resource, namespace)
        now = int(self.version(resource, namespace))
        query = {"watch": "true", "resourceVersion": since, "allowWatchBookmarks": "true"}
        for seconds in (3, 10, 30):
            events: list[dict[str, Any]] = []
            for line in self._stream(path, query | {"timeoutSeconds": seconds}):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise RefusedError(event["object"]["code"], event["object"]["message"])
                if event["type"] != "BOOKMARK":
                    events.append(event)
                if int(event["object"]["metadata"]["resourceVersion"]) >= now:
                    return events
        raise TimeoutError(f"the history of {path} from {since} does not reach {now}")

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
        text: bytes = self._call(method, path, body, query).data
        return text

    def _stream(self, path: str, query: Mapping[str, Any]) -> Iterator[bytes]:
        """Yield the lines of an answer as they come."""
        response = self._call("GET", path, None, query)
        try:
            rest = b""
            for chunk in response.stream():
                *lines, rest = (rest + chunk).split(b"\n")
                yield from lines
        finally:
            response.close()

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, Any] | None,
    ) -> Any:
        url = self._client.configuration.host + path
        if query:
            url += "?" + urlencode({k: v for k, v in query.items() if v != ""})
        kind = MERGE_PATCH if method == "PATCH" else "application/json"
        headers = {"Accept": "application/json", "Content-Type": kind}
        response = self._client.call_api(method, url, headers, body).response
        if response.status >= 400:
            raise RefusedError(response.status, json.loads(response.data).get("message", ""))
        return response


def _path(resource: str, namespace: str, name: str = "", subresource: str = "") -> str:
    scope = f"namespaces/{namespace}" if namespace else ""
    plural = resource.partition(".")[0]
    parts = (GROUPS.get(resource, CORE), scope, plural, name, subresource)
    return "/".join(part for part in parts if part)
