"""Listen for HTTP beside the operator's work."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web


async def listen(
    routes: Iterable[web.AbstractRouteDef], port: int, host: str | None = None
) -> web.AppRunner:
    """Serve routes, without a log of requests; ``cleanup()`` of what is returned stops it.

    Args:
        routes: what is served.
        port: where; 0 takes a free one.
        host: an address of this machine; None is all of them.

    Raises:
        OSError: somebody else listens there; it says where.
    """
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        where = f"port {port} of {host or 'all addresses'}"
        raise OSError(error.errno, f"cannot listen on {where}: {error.strerror}") from error
    return runner
