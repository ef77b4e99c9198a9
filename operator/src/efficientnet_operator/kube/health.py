"""Serve /healthz, /readyz and /metrics of the operator."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest


async def serve_health(
    port: int, live: Callable[[], bool], ready: Callable[[], bool]
) -> web.AppRunner:
    """Start the server on all addresses; ``cleanup()`` of what is returned stops it.

    Args:
        port: where to listen; 0 takes a free one.
        live: whether the loop turns.
        ready: whether the caches are filled.
    """

    async def healthz(_: web.Request) -> web.Response:
        return _answer(live(), "the event loop stands still")

    async def readyz(_: web.Request) -> web.Response:
        return _answer(ready(), "the caches are not filled yet")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes(
        [
            web.get("/healthz", healthz),
            web.get("/readyz", readyz),
            web.get("/metrics", metrics),
        ]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    return runner


def _answer(good: bool, problem: str) -> web.Response:
    return web.Response(text="ok") if good else web.Response(text=problem, status=503)
