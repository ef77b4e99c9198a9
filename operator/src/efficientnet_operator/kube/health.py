"""Serve /healthz, /readyz and /metrics of the operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from efficientnet_operator.kube.client import WATCH_S
from efficientnet_operator.kube.serving import listen

LOOP_LIMIT_S = 60.0
"""So long no healthy event loop stands still."""
WATCH_LIMIT_S = 3.0 * WATCH_S
"""One that is silent is opened again long before, and each ends by itself after WATCH_S."""


async def serve_health(
    port: int,
    find_stall: Callable[[], str],
    find_lack: Callable[[], str],
    fill_gauges: Callable[[], None],
) -> web.AppRunner:
    """Start the server on all addresses; ``cleanup()`` of what is returned stops it.

    Args:
        port: where to listen; 0 takes a free one.
        find_stall: returns what stands still, in words; "" while the operator is alive.
        find_lack: returns what is missing for its work; "" while it is ready.
        fill_gauges: called before the metrics are written out.
    """

    async def healthz(_: web.Request) -> web.Response:
        return _answer(find_stall())

    async def readyz(_: web.Request) -> web.Response:
        return _answer(find_lack())

    async def metrics(_: web.Request) -> web.Response:
        fill_gauges()
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return await listen(
        [
            web.get("/healthz", healthz),
            web.get("/readyz", readyz),
            web.get("/metrics", metrics),
        ],
        port,
    )


def describe_stall(loop_still_s: float, silent_s: Mapping[str, float | None]) -> str:
    """Return what stands still, in words; "" where nothing does.

    Args:
        loop_still_s: since the event loop last woke somebody who asked for it.
        silent_s: since each watch that the work depends on delivered something, by resource;
            None for one that is not open.
    """
    if loop_still_s >= LOOP_LIMIT_S:
        return f"the event loop stands still for {loop_still_s:.0f} s"
    for resource, seconds in silent_s.items():
        if seconds is not None and seconds >= WATCH_LIMIT_S:
            return f"the watch of {resource} is silent for {seconds:.0f} s, without a bookmark"
    return ""


def _answer(problem: str) -> web.Response:
    return web.Response(text=problem, status=503) if problem else web.Response(text="ok")
