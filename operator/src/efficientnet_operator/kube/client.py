"""Raw JSON access to the API server, over the Kubernetes client's own connection and login.

The typed models cost 84 KB and 514 µs a pod, raw JSON 6 KB and 35 µs, and they
refuse objects that the server accepts; so dicts go in and out here.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import config as kubernetes_config

from efficientnet_operator.core.retry_after import parse_retry_after
from efficientnet_operator.kube.metrics import API_REQUESTS, API_SECONDS
from efficientnet_operator.kube.request_labels import label_request
from efficientnet_operator.streams import cut

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

NOT_FOUND = HTTPStatus.NOT_FOUND
CONFLICT = HTTPStatus.CONFLICT
TOO_MANY = HTTPStatus.TOO_MANY_REQUESTS

PAGE = 500
WATCH_S = 300
QUIET_S = 90.0
"""A watch that says nothing for so long may be dead: mostly a bookmark comes each minute."""
RETRIES = 5

T = TypeVar("T")
Query = Mapping[str, Any]
"""Words of the query string; those that are empty are left out."""


class ApiError(Exception):
    """The API server said no.

    Attributes:
        status: HTTP status.
        reason: the Status object's reason, such as AlreadyExists.
        message: the server's own words.
    """

    def __init__(self, status: int, reason: str, message: str):
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class KubeClient:
    """Requests to one API server; close it when done."""

    def __init__(self, api: kubernetes_client.ApiClient):
        self._api = api

    @classmethod
    async def connect(cls, kubeconfig: str | None = None) -> KubeClient:
        """Return a client: by the named kubeconfig, else in-cluster, else the default one.

        Raises:
            kubernetes.aio.config.ConfigException: no way to reach a cluster is configured.
        """
        configuration = kubernetes_client.Configuration()
        configuration.connection_pool_maxsize = 128
        if kubeconfig is None:
            try:
                kubernetes_config.load_incluster_config(  # type: ignore[no-untyped-call]
                    client_configuration=configuration
                )
                return cls(kubernetes_client.ApiClient(_settled(configuration)))
            except kubernetes_config.ConfigException:
                pass  # not in a pod: a person's kubeconfig is what is left
        await kubernetes_config.load_kube_config(  # type: ignore[no-untyped-call]
            kubeconfig, client_configuration=configuration
        )
        return cls(kubernetes_client.ApiClient(_settled(configuration)))

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()  # type: ignore[no-untyped-call]

    async def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Return one object, or a list as the server gives it."""
        return await self.request("GET", path, query=query)

    async def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object; return it as stored."""
        return await self.request("POST", path, body=body)

    async def merge_patch(
        self, path: str, body: Mapping[str, Any], field_manager: str = ""
    ) -> dict[str, Any]:
        """Merge-patch an object; return it as stored."""
        query = {"fieldManager": field_manager}
        return await self.request("PATCH", path, query=query, body=body, content_type=MERGE_PATCH)

    async def apply(
        self, path: str, body: Mapping[str, Any], field_manager: str
    ) -> dict[str, Any]:
        """Apply an object server-side as ``field_manager``; return it as stored."""
        query = {"fieldManager": field_manager, "force": True}
        return await self.request("PATCH", path, query=query, body=body, content_type=APPLY_PATCH)

    async def delete(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Delete an object with DeleteOptions ``body``."""
        return await self.request("DELETE", path, body=body)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = JSON,
        timeout_s: float = 60,
    ) -> dict[str, Any]:
        """Send one request; wait and send it again where the server says 429.

        Raises:
            ApiError: the server refused it, or what answered does not speak JSON.
            aiohttp.ClientError, TimeoutError: the server cannot be reached.
        """
        for attempt in range(RETRIES):
            response = await self._send(method, path, query, body, content_type, timeout_s)
            if response.status != TOO_MANY or attempt == RETRIES - 1:
                break
            await response.read()
            wait_s = parse_retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
            await asyncio.sleep(wait_s)
        text = await response.read()
        if response.status >= 400:
            raise _parse_error(response.status, text)
        return _parse_document(response.status, text)

    async def list_all(
        self, path: str, parse: Callable[[Mapping[str, Any]], T], selector: str = ""
    ) -> tuple[list[T], str]:
        """Return what ``parse`` makes of each object, and the resourceVersion to watch from.

        Page by page: the JSON of five thousand pods would take ten times what is kept of them.
        """
        items: list[T] = []
        query: dict[str, Any] = {"limit": PAGE, "labelSelector": selector}
        while True:
            page = await self.get(path, **query)
            items += map(parse, page.get("items") or [])
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                return items, metadata.get("resourceVersion", "")
            query["continue"] = metadata["continue"]

    async def watch(
        self,
        path: str,
        selector: str,
        resource_version: str,
        heard: Callable[[], None] = lambda: None,
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield watch events from ``resource_version`` on, until the server ends the watch.

        One that has gone silent, bookmarks included, ends as well.

        Args:
            path: the collection.
            selector: of labels.
            resource_version: what is known already.
            heard: called when the server opens the watch and for all that it delivers.  The
                first alone shows that nothing was missed: of a collection in which nothing
                changes, a watch gets no bookmark until etcd tells of its progress.

        Raises:
            ApiError: the watch cannot start there (410: list again).
        """
        query = {
            "watch": True,
            "labelSelector": selector,
            "resourceVersion": resource_version,
            "allowWatchBookmarks": True,
            "timeoutSeconds": WATCH_S,
        }
        response = await self._send("GET", path, query, None, JSON, WATCH_S + 30)
        if response.status >= 400:
            raise _parse_error(response.status, await response.read())
        heard()
        try:
            async for line in _lines(response.response.content):
                heard()
                event: dict[str, Any] = json.loads(line)
                if event.get("type") == "ERROR":
                    status = event.get("object") or {}
                    raise ApiError(
                        int(status.get("code", 500)),
                        str(status.get("reason", "")),
                        str(status.get("message", "")),
                    )
                yield event
        finally:
            cut(response.response)

    async def _send(
        self,
        method: str,
        path: str,
        query: Query | None,
        body: Mapping[str, Any] | None,
        content_type: str,
        timeout_s: float,
    ) -> Any:
        headers = {"Accept": JSON, "Content-Type": content_type}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        words = {k: _encode(v) for k, v in (query or {}).items() if v != ""}
        url = f"{self._api.configuration.host}{path}"
        if words:
            url += f"?{urlencode(words)}"
        labels = label_request(method, path, watch="watch" in words)
        began = time.monotonic()
        code = "error"
        try:
            response = await self._api.call_api(
                method, url, headers, body, _request_timeout=timeout_s
            )
            code = str(response.status)
        finally:
            API_SECONDS.labels(*labels).observe(time.monotonic() - began)
            API_REQUESTS.labels(*labels, code).inc()
        return response


def _settled(configuration: kubernetes_client.Configuration) -> kubernetes_client.Configuration:
    """Take the environment's proxy once; aiohttp would read it, and ~/.netrc, at each request."""
    server = urlsplit(configuration.host)
    if not configuration.proxy and not proxy_bypass(server.hostname or ""):
        configuration.proxy = getproxies().get(server.scheme)
    configuration.client_session_kwargs = {"trust_env": False}
    return configuration


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield lines until the end; a connection that died without a word ends after a while."""
    while True:
        try:
            async with asyncio.timeout(QUIET_S):
                line = await stream.readline()
        except TimeoutError:
            return
        if not line:
            return
        yield line


def _parse_document(status: int, text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ApiError(status, "NotJSON", text.decode(errors="replace")[:500]) from error
    if not isinstance(document, dict):
        raise ApiError(status, "NotJSON", f"no object: {text.decode(errors='replace')[:500]}")
    return document


def _encode(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parse_error(status: int, text: bytes) -> ApiError:
    try:
        document = json.loads(text)
        return ApiError(status, document.get("reason", ""), document.get("message", ""))
    except (ValueError, AttributeError, RecursionError):
        return ApiError(status, "", text.decode(errors="replace")[:500])
