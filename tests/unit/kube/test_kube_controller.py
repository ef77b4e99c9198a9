"""The controller against a stand-in for the API server: whose jobs it keeps, and what it asks."""

import asyncio
import json
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from efficientnet_operator.kube.client import KubeClient
from efficientnet_operator.kube.controller import Controller, SelectorError
from efficientnet_operator.settings import Settings
from kubernetes.aio import client as kubernetes_client
from prometheus_client import REGISTRY

SELECTOR = "team in (vision)"
JOBS = "/apis/efficientnet.dev/v1alpha1"
A_JOB = {
    "metadata": {
        "namespace": "a",
        "name": "b0",
        "uid": "u1",
        "resourceVersion": "5",
        "labels": {"team": "vision"},
    },
    "spec": {
        "npus": 1,
        "image": "trainer:1",
        "dataset": {"path": "/data"},
        "output": {"path": "/out"},
    },
}

A_STARTED_JOB = {
    **A_JOB,
    "status": {"attempt": 1, "conditions": [{"type": "Created", "status": "True"}]},
}


def refuse(code, reason, message):
    body = {"kind": "Status", "code": code, "reason": reason, "message": message}
    return web.json_response(body, status=code)


class ApiServer:
    """Lists nothing, lets watches hang, and refuses each status as written over by others."""

    def __init__(self, selector_is_bad=False):
        self.selector_is_bad = selector_is_bad
        self.asked = []
        self.statuses = []
        self.closing = asyncio.Event()

    async def answer(self, request):
        query = dict(request.query)
        if request.method == "PATCH":
            self.statuses.append(json.loads(await request.read()))
            return refuse(409, "Conflict", "the object has been modified")
        if query.get("watch"):
            await self.closing.wait()
        if request.path.endswith("/efficientnetjobs"):
            self.asked.append((request.path, query))
            if self.selector_is_bad:
                return refuse(400, "BadRequest", "unable to parse requirement")
        return web.json_response({"items": [], "metadata": {"resourceVersion": "9"}})


class FailingApiServer(ApiServer):
    """Stores each status, and fails to create anything."""

    def __init__(self):
        super().__init__()
        self.creates = 0

    async def answer(self, request):
        if request.method == "POST":
            self.creates += 1
            return refuse(500, "InternalError", "etcd has no leader")
        if request.method != "PATCH":
            return await super().answer(request)
        self.statuses.append(json.loads(await request.read())["status"])
        version = str(5 + len(self.statuses))
        metadata = {**A_JOB["metadata"], "resourceVersion": version}
        return web.json_response({**A_JOB, "metadata": metadata, "status": self.statuses[-1]})


class SlowApiServer(ApiServer):
    """Answers that a pod is gone, but not before a watch has brought a newer job."""

    controller = None

    async def answer(self, request):
        if not request.path.endswith("/pods/b0-1-0"):
            return await super().answer(request)
        newer = {**A_JOB["metadata"], "resourceVersion": "6"}
        self.controller.on_job("MODIFIED", {**A_STARTED_JOB, "metadata": newer})
        return refuse(404, "NotFound", "pods b0-1-0 not found")


@asynccontextmanager
async def running(server):
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    async with TestServer(app) as listening:
        configuration = kubernetes_client.Configuration()
        configuration.host = str(listening.make_url("")).rstrip("/")
        client = KubeClient(kubernetes_client.ApiClient(configuration))
        controller = Controller(client, Settings(selector=SELECTOR))
        try:
            yield controller
        finally:
            await controller.stop()
            server.closing.set()


async def until(reached, deadline_s=10.0):
    with suppress(TimeoutError):
        async with asyncio.timeout(deadline_s):
            while not reached():
                await asyncio.sleep(0.01)
    assert reached()


def known(controller):
    """Return how many jobs the controller tells of."""
    controller.fill_gauges()
    return sum(
        sample.value
        for family in REGISTRY.collect()
        if family.name == "efficientnet_operator_jobs"
        for sample in family.samples
    )


def test_a_job_that_somebody_else_has_by_now_is_dropped_and_left_alone():
    async def live():
        server = ApiServer()
        async with running(server) as controller:
            controller.start()
            controller.on_job("ADDED", A_JOB)
            await until(lambda: server.statuses)
            await until(lambda: known(controller) == 0)
        (asked,) = server.asked
        assert asked == (
            f"{JOBS}/namespaces/a/efficientnetjobs",
            {"labelSelector": SELECTOR, "fieldSelector": "metadata.name=b0"},
        )

    asyncio.run(live())


def test_a_status_is_of_the_version_that_was_looked_at_not_of_the_newest():
    async def live():
        server = SlowApiServer()
        async with running(server) as server.controller:
            server.controller.start()
            server.controller.on_job("ADDED", A_STARTED_JOB)
            await until(lambda: server.statuses)
        assert server.statuses[0]["metadata"]["resourceVersion"] == "5"

    asyncio.run(live())


def test_what_is_stored_is_told_once_though_the_rest_of_the_plan_fails(caplog):
    caplog.set_level("INFO")

    async def live():
        server = FailingApiServer()
        async with running(server) as controller:
            controller.start()
            controller.on_job("ADDED", A_JOB)
            await until(lambda: server.creates >= 3)

    asyncio.run(live())
    assert len([m for m in caplog.messages if m.startswith("New -> Pending")]) == 1
    assert len([m for m in caplog.messages if "etcd has no leader; trying again" in m]) >= 2


def test_a_job_whose_label_changed_comes_as_deleted_and_is_dropped():
    async def live():
        async with running(ApiServer()) as controller:
            controller.on_job("ADDED", A_JOB)
            relabelled = {**A_JOB["metadata"], "labels": {}, "resourceVersion": "6"}
            controller.on_job("DELETED", {**A_JOB, "metadata": relabelled})
            controller.start()
            await until(lambda: "filled" not in controller.find_lack())
            assert known(controller) == 0

    asyncio.run(live())


def test_a_selector_that_the_server_cannot_read_is_not_waited_for():
    async def live():
        server = ApiServer(selector_is_bad=True)
        async with running(server) as controller:
            with pytest.raises(SelectorError, match=r"--selector 'team in \(vision\)': unable to"):
                await controller.wait_for_jobs()
        assert server.asked[0][1] == {"labelSelector": SELECTOR, "limit": "1"}

    asyncio.run(live())


def test_what_is_missing_for_the_work_is_told_one_after_the_other():
    async def live():
        async with running(ApiServer()) as controller:
            assert controller.find_lack() == "EfficientNetJobs cannot be listed yet"
            await controller.wait_for_jobs()
            assert controller.find_lack() == "the caches are not filled yet"
            controller.start()
            await until(lambda: not controller.find_lack())

    asyncio.run(live())


def test_a_server_that_cannot_be_reached_is_counted_as_an_error():
    async def ask():
        configuration = kubernetes_client.Configuration()
        configuration.host = "http://127.0.0.1:9"
        client = KubeClient(kubernetes_client.ApiClient(configuration))
        try:
            with pytest.raises(OSError, match=r"127\.0\.0\.1:9"):
                await client.get("/api/v1/pods")
        finally:
            await client.close()

    labels = {"verb": "list", "resource": "pods", "code": "error"}
    name = "efficientnet_operator_api_requests_total"
    before = REGISTRY.get_sample_value(name, labels) or 0
    asyncio.run(ask())
    assert REGISTRY.get_sample_value(name, labels) == before + 1
