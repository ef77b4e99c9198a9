"""Serve the status page below /ui on a port of its own, read-only."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import aiohttp
from aiohttp import web

from efficientnet_operator.core.identity import Key
from efficientnet_operator.core.job_history import History
from efficientnet_operator.kube.client import ApiError
from efficientnet_operator.kube.serving import listen
from efficientnet_operator.ui.gate import Gate
from efficientnet_operator.ui.pages import render_job, render_jobs

log = logging.getLogger(__name__)

HEADERS = {
    # The pages have no scripts and load nothing; whatever a message smuggles in must not either.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
LOOPBACK = "127.0.0.1"


async def serve_pages(
    port: int, jobs: Mapping[Key, dict[str, Any]], history: History, gate: Gate | None
) -> web.AppRunner:
    """Start the server; ``cleanup()`` of what is returned stops it.

    Args:
        port: where to listen; 0 takes a free one.
        jobs: the jobs that are known, by namespace and name.
        history: their figures.
        gate: who may look. None: everybody who reaches the pod's loopback, as port-forward does.
    """
    pages = _Pages(jobs, history, gate)
    routes = [
        web.get("/ui", pages.list_jobs),
        web.get("/ui/", pages.list_jobs),
        web.get("/ui/{namespace}", pages.list_jobs),
        web.get("/ui/{namespace}/{name}", pages.show_job),
    ]
    return await listen(routes, port, LOOPBACK if gate is None else None)


class _Pages:
    """The handlers of the pages."""

    def __init__(self, jobs: Mapping[Key, dict[str, Any]], history: History, gate: Gate | None):
        self._jobs = jobs
        self._history = history
        self._gate = gate

    async def list_jobs(self, request: web.Request) -> web.Response:
        """Show the jobs of one namespace, or of all."""
        namespace = request.match_info.get("namespace", "")
        return await self._refuse(request, namespace, "") or _page(
            render_jobs(self._jobs.values(), namespace)
        )

    async def show_job(self, request: web.Request) -> web.Response:
        """Show one job."""
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        refusal = await self._refuse(request, namespace, name)
        if refusal:
            return refusal
        document = self._jobs.get((namespace, name))
        if document is None:
            return _words(404, f"there is no EfficientNetJob {namespace}/{name}")
        return _page(render_job(document, self._history))

    async def _refuse(
        self, request: web.Request, namespace: str, name: str
    ) -> web.Response | None:
        if self._gate is None:
            return None
        authorization = request.headers.get("Authorization", "")
        try:
            obstacle = await self._gate.find_obstacle(authorization, namespace, name)
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            log.warning("a token could not be reviewed: %s", error or repr(error))
            return _words(503, "the API server does not answer who you are; try again")
        return _words(*obstacle) if obstacle else None


def _page(html: str) -> web.Response:
    return web.Response(text=html, content_type="text/html", headers=HEADERS)


def _words(status: int, text: str) -> web.Response:
    headers = dict(HEADERS)
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="Kubernetes token as password"'
    return web.Response(status=status, text=text + "\n", headers=headers)
