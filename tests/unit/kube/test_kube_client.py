"""The client against servers that are busy, broken, or no API server at all."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from unittest.mock import Mock

import pytest
from aiohttp import web
from efficientnet_operator.core.retry_after import parse_retry_after
from efficientnet_operator.kube import client as client_module
from efficientnet_operator.kube.client import ApiError, KubeClient
from kubernetes.aio import client as kubernetes_client

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
RETRY_AFTER = {
    "a number of seconds": ("3", 3.0),
    "none at all": (None, 1.0),
    "nothing in it": ("", 1.0),
    "at once": ("0", 0.0),
    "a date to come": ("Thu, 01 Jan 2026 12:00:07 GMT", 7.0),
    "a date that has passed": ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
    "a date without a zone": ("Thu, 01 Jan 2026 12:00:02", 2.0),
    "a date far away": ("Thu, 01 Jan 2099 12:00:00 GMT", 30.0),
    "far too many seconds": ("99999999999999999999", 30.0),
    "a fraction": ("0.5", 1.0),
    "a negative number": ("-5", 1.0),
    "no number": ("nan", 1.0),
    "without end": ("inf", 1.0),
    "digits of another script": ("٣", 1.0),
    "words": ("soon", 1.0),
}


@pytest.mark.parametrize("value, want", RETRY_AFTER.values(), ids=RETRY_AFTER)
def test_retry_after(value, want):
    assert parse_retry_after(value, NOW) == want


@asynccontextmanager
async def answering(*answers: web.Response) -> AsyncIterator[tuple[KubeClient, deque]]:
    """Yield a client of a server that gives these answers, and what is left of them."""
    left = deque(answers)

    async def answer(_: web.Request) -> web.StreamResponse:
        return left.popleft()

    async with serving(answer) as client:
        yield client, left


@asynccontextmanager
async def serving(handler) -> AsyncIterator[KubeClient]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    configuration = kubernetes_client.Configuration()
    configuration.host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    client = KubeClient(kubernetes_client.ApiClient(configuration))
    try:
        yield client
    finally:
        await client.close()
        await runner.cleanup()


def busy(retry_after: str) -> web.Response:
    return web.Response(status=429, headers={"Retry-After": retry_after}, text="busy")


async def test_a_busy_server_is_asked_again():
    done = web.json_response({"kind": "Pod"})
    past = "Thu, 01 Jan 2026 11:00:00 GMT"
    async with answering(busy("0"), busy(past), done) as (client, left):
        assert await client.get("/api/v1/pods/p") == {"kind": "Pod"}
        assert not left


async def test_a_server_that_stays_busy_is_an_error():
    async with answering(*(busy("0") for _ in range(9))) as (client, left):
        with pytest.raises(ApiError, match="429 : busy"):
            await client.create("/api/v1/pods", {})
        assert len(left) == 4


NO_DOCUMENTS = {
    "a page of a load balancer": "<html>sorry</html>",
    "nothing": "",
    "half an object": '{"kind": "Po',
    "no object": "[1, 2]",
    "nested without end": "[" * 100_000,
}


@pytest.mark.parametrize("text", NO_DOCUMENTS.values(), ids=NO_DOCUMENTS)
@pytest.mark.parametrize("status", [200, 502])
async def test_what_is_no_json_object_is_an_api_error(text, status):
    async with answering(web.Response(status=status, text=text)) as (client, _):
        with pytest.raises(ApiError):
            await client.get("/api/v1/pods")


def an_event(version: int, kind: str = "ADDED") -> bytes:
    return json.dumps({"type": kind, "object": {"n": version}}).encode() + b"\n"


async def test_a_watch_ends_with_the_servers_error():
    gone = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(an_event(1) + json.dumps(gone).encode() + b"\n")
        return response

    seen = []
    async with serving(answer) as client:
        with pytest.raises(ApiError, match="410 Expired: too old"):
            async for event in client.watch("/api/v1/pods", "", "1"):
                seen.append(event["object"]["n"])
    assert seen == [1]


@pytest.mark.parametrize("versions", [[1], []], ids=["after an event", "from its opening on"])
async def test_a_watch_that_went_silent_ends(monkeypatch, versions):
    monkeypatch.setattr(client_module, "QUIET_S", 0.05)
    over = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for version in versions:
            await response.write(an_event(version))
        await over.wait()
        return response

    heard = Mock()
    async with serving(answer) as client:
        seen = [e["object"]["n"] async for e in client.watch("/api/v1/pods", "", "1", heard)]
        over.set()
    assert seen == versions
    # Of the opening and of each event.
    assert heard.call_count == 1 + len(versions)


async def test_a_watch_that_is_refused_is_not_heard():
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({"reason": "Expired", "message": "too old"}, status=410)

    heard = Mock()
    async with serving(answer) as client:
        with pytest.raises(ApiError, match="410 Expired"):
            async for event in client.watch("/api/v1/pods", "", "1", heard):
                raise AssertionError(event)
    assert not heard.called


async def test_events_longer_than_a_network_buffer_arrive_whole():
    long = {"type": "ADDED", "object": {"data": "x" * 1_500_000}}

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text=json.dumps(long) + "\n")

    async with serving(answer) as client:
        seen = [e["object"] async for e in client.watch("/api/v1/pods", "", "1")]
    assert seen == [long["object"]]
