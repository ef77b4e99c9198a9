"""Nodes are listed page by page and watched, through refusals, from a server of HTTP alone."""

import asyncio
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from efficientnet_operator.kube.client import KubeClient
from efficientnet_operator.kube.node_cache import ReadyCache
from kubernetes.aio import client as kubernetes_client

FORBIDDEN = {"kind": "Status", "reason": "Forbidden", "message": "no right"}


def node(name, version="5"):
    return {"metadata": {"name": name, "resourceVersion": version}}


class ApiServer:
    """Two pages of nodes, and whatever a test lets happen."""

    def __init__(self):
        self.refusals = 0
        self.pages = [[node("a"), node("b")], [node("c")]]
        self.lists = 0
        self.events = asyncio.Queue()
        self.watched_from = []

    async def answer(self, request):
        if self.refusals:
            self.refusals -= 1
            return web.json_response(FORBIDDEN, status=403)
        if request.query.get("watch"):
            return await self._watch(request)
        self.lists += 1
        number = int(request.query.get("continue", "0"))
        metadata = {"resourceVersion": str(10 + self.lists)}
        if number + 1 < len(self.pages):
            metadata["continue"] = str(number + 1)
        return web.json_response({"metadata": metadata, "items": self.pages[number]})

    async def _watch(self, request):
        self.watched_from.append(request.query["resourceVersion"])
        response = web.StreamResponse()
        await response.prepare(request)
        while (event := await self.events.get()) is not None:
            await response.write(json.dumps(event).encode() + b"\n")
        return response


@pytest.fixture
async def server():
    return ApiServer()


@pytest.fixture
async def cache(server):
    """A cache that follows the server's nodes."""
    app = web.Application()
    app.router.add_get("/api/v1/nodes", server.answer)
    async with TestServer(app) as running:
        configuration = kubernetes_client.Configuration(host=str(running.make_url("")).rstrip("/"))
        client = KubeClient(kubernetes_client.ApiClient(configuration))
        cache = ReadyCache(lambda _: None)
        task = asyncio.create_task(cache.follow(client, "/api/v1/nodes"))
        yield cache
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.events.put_nowait(None)
        await client.close()


async def until(reached):
    async with asyncio.timeout(30):
        while not reached():
            await asyncio.sleep(0.01)


def names(cache):
    return {name for name in "abcd" if cache.get(name)}


async def test_all_pages_are_read_and_then_it_is_watched(server, cache):
    await until(lambda: cache.synced and server.watched_from)
    assert names(cache) == set("abc")
    assert server.watched_from == ["12"]
    server.events.put_nowait({"type": "ADDED", "object": node("d", "13")})
    server.events.put_nowait({"type": "DELETED", "object": node("a", "14")})
    server.events.put_nowait(
        {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "20"}}}
    )
    await until(lambda: names(cache) == set("bcd"))
    server.events.put_nowait(None)
    await until(lambda: len(server.watched_from) == 2)
    assert server.watched_from[1] == "20"


async def test_without_the_right_it_says_so_and_asks_again(server, cache):
    server.refusals = 1
    await until(lambda: cache.source)
    assert cache.source == "nodes cannot be read (403 Forbidden: no right)"
    assert cache.synced, "the jobs are not held up"
    await until(lambda: names(cache) == set("abc"))
    assert cache.source == ""


async def test_a_server_that_has_just_started_is_not_believed_at_once(server, cache):
    await until(lambda: names(cache) == set("abc"))
    server.refusals = 1
    server.events.put_nowait(None)
    await until(lambda: server.lists == 4)
    assert names(cache) == set("abc")
    assert cache.source == ""


async def test_a_watch_that_is_too_old_is_listed_again(server, cache):
    await until(lambda: names(cache) == set("abc"))
    server.pages = [[node("d")]]
    gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
    server.events.put_nowait({"type": "ERROR", "object": gone})
    await until(lambda: names(cache) == {"d"})
    assert cache.find_loss("a").gone
