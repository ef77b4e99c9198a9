"""The controller's pass over all jobs, and its sign of life when a part of it has died."""

import asyncio
from itertools import islice

import pytest
from efficientnet_operator.handlers import Pauses
from efficientnet_operator.kube import controller as controller_module
from efficientnet_operator.kube.client import ApiError
from efficientnet_operator.kube.controller import Controller
from efficientnet_operator.settings import Settings


def a_job(name, version=1):
    metadata = {"namespace": "default", "name": name, "uid": name, "resourceVersion": str(version)}
    # Somebody else's to manage: it is looked at, and nothing is written.
    policy = {"managedBy": "example.com/other"}
    spec = {"npus": 1, "image": "i", "dataset": {"path": "/d"}, "output": {"path": "/o"}}
    return {"metadata": metadata, "spec": {**spec, "runPolicy": policy}}


class Server:
    """An API server with some jobs; nothing happens to anything else."""

    def __init__(self, *answers):
        self.answers = list(answers)

    async def list_all(self, path, parse, selector=""):
        if "efficientnetjobs" not in path:
            return [], "1"
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return [parse(d) for d in answer], "9"

    async def watch(self, *_):
        await asyncio.Event().wait()
        yield

    async def close(self):
        pass


async def wait_until(reached):
    async with asyncio.timeout(10):
        while not reached():
            await asyncio.sleep(0.01)


@pytest.fixture
async def started(monkeypatch):
    """Start a controller of a server; it is stopped in the end."""
    monkeypatch.setattr(controller_module, "RESYNC_S", 0.01)
    controllers = []

    def start(*answers):
        controller = Controller(Server(*answers), Settings(progress_interval_s=3600))
        controllers.append(controller)
        controller.start()
        return controller

    yield start
    for controller in controllers:
        await controller.stop()


async def test_a_job_that_went_unseen_is_forgotten_and_one_that_came_is_found(started):
    controller = started([a_job("stays"), a_job("came")])
    for name in ("stays", "went"):
        controller.on_job("ADDED", a_job(name))
    names = {"stays", "came"}
    await wait_until(lambda: {name for _, name in controller._memory.jobs} == names)
    assert not controller.find_stall()


async def test_a_list_that_fails_is_asked_for_again_and_forgets_nothing(started):
    controller = started(ApiError(500, "InternalError", "etcd"), TimeoutError(), [a_job("came")])
    controller.on_job("ADDED", a_job("known", version=99))
    names = {"known", "came"}
    await wait_until(lambda: {name for _, name in controller._memory.jobs} == names)
    assert not controller.find_stall()


async def test_with_a_dead_task_it_is_not_alive(started):
    controller = started([None])  # no API server lists a job that is none
    assert not controller.find_stall()
    await wait_until(controller.find_stall)


def test_the_watch_of_the_jobs_is_tried_again_without_end():
    for _ in range(2):
        pauses = list(islice(Pauses(), 1000))
        assert pauses == sorted(pauses)
        assert (pauses[0], pauses[-1]) == (0.2, 2.0)
