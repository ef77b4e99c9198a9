"""What the operator knows: lists of jobs, and pods that one watch told of later than another."""

import pytest
from efficientnet_operator.api.parsing import parse_job
from efficientnet_operator.core.identity import JobRef
from efficientnet_operator.core.job_history import History
from efficientnet_operator.kube.client import ApiError
from efficientnet_operator.kube.missed import find_missed
from efficientnet_operator.kube.observe import Memory
from efficientnet_operator.kube.queue import WorkQueue

JOB = JobRef("default", "b0", "uid-of-b0")
KEY = (JOB.namespace, JOB.name)
SPEC = {"image": "i", "dataset": {"path": "/data"}, "output": {"path": "/out"}}


def a_job(npus, metadata=None, status=None):
    own = {"name": JOB.name, "namespace": JOB.namespace, "uid": JOB.uid, "resourceVersion": "1"}
    metadata = {**own, "generation": 1, **(metadata or {})}
    return {"metadata": metadata, "spec": {"npus": npus, **SPEC}, "status": status or {}}


def conditions(**statuses):
    return [{"type": kind, "status": status} for kind, status in statuses.items()]


CREATED = {"attempt": 1, "conditions": conditions(Created="True")}


def pod(index, attempt=1, version=5):
    return {
        "metadata": {
            "namespace": JOB.namespace,
            "name": f"{JOB.name}-{attempt}-{index}",
            "uid": f"uid-{attempt}-{index}",
            "resourceVersion": str(version),
            "labels": {
                "efficientnet.dev/job-name": JOB.name,
                "efficientnet.dev/job-uid": JOB.uid,
                "efficientnet.dev/attempt": str(attempt),
                "efficientnet.dev/replica-index": str(index),
            },
            "ownerReferences": [{"uid": JOB.uid, "controller": True}],
        }
    }


class Server:
    """An API server that has some pods, and counts what it is asked."""

    def __init__(self, *pods, error=None):
        self.pods = pods
        self.error = error
        self.asked = []

    async def get(self, path, **_):
        self.asked.append(path)
        if self.error:
            raise self.error
        name = path.rpartition("/")[2]
        found = next((p for p in self.pods if p["metadata"]["name"] == name), None)
        if found is None:
            raise ApiError(404, "NotFound", "no such pod")
        return found

    async def list_all(self, path, parse, selector):
        self.asked.append(f"{path}?{selector}")
        return [parse(p) for p in self.pods], "9"


@pytest.fixture
async def memory():
    memory = Memory.create(WorkQueue())
    memory.put_job(a_job(2, status=CREATED))
    return memory


def names(view):
    return sorted(p.name for p in view.pods)


async def test_pods_that_the_watch_has_not_told_of_yet_are_not_taken_for_lost(memory):
    memory.pods.put(pod(0))
    view = await memory.observe(KEY, Server(pod(0), pod(1)))
    assert names(view) == ["b0-1-0", "b0-1-1"]


async def test_a_pod_that_the_server_does_not_know_is_lost(memory):
    memory.pods.put(pod(0))
    server = Server(pod(0))
    view = await memory.observe(KEY, server)
    assert names(view) == ["b0-1-0"]
    assert server.asked == ["/api/v1/namespaces/default/pods/b0-1-1"]


async def test_a_server_that_does_not_say_leaves_it_undecided(memory):
    memory.pods.put(pod(0))
    with pytest.raises(ApiError, match="etcd"):
        await memory.observe(KEY, Server(error=ApiError(500, "InternalError", "etcd")))


async def test_where_no_pod_is_missed_nobody_is_asked(memory):
    for index in range(2):
        memory.pods.put(pod(index))
    server = Server()
    await memory.observe(KEY, server)
    assert server.asked == []


NOT_MISSED = {
    "before all stood at once": {"attempt": 1, "conditions": conditions(Created="False")},
    "before anything was written": {},
    "after success": {"attempt": 1, "conditions": conditions(Created="True", Succeeded="True")},
    "after failure": {"attempt": 1, "conditions": conditions(Created="True", Failed="True")},
}


@pytest.mark.parametrize("status", NOT_MISSED.values(), ids=NOT_MISSED)
def test_a_pod_is_not_missed(status):
    assert find_missed(parse_job(a_job(2)), status, ()) is None


def test_the_first_pod_of_the_current_attempt_is_missed():
    assert find_missed(parse_job(a_job(2)), {**CREATED, "attempt": 3}, ()) == "b0-3-0"


def a_named_job(name, version, namespace="default"):
    metadata = {"name": name, "namespace": namespace, "resourceVersion": str(version), "uid": name}
    return a_job(1, metadata=metadata)


LISTS = {
    "what is not listed is gone": ("", [("a", 3)], "9", {("default", "b"), ("other", "c")}),
    "what came after the list stays": ("", [("a", 3)], "4", {("other", "c")}),
    "a list of one namespace leaves the others": ("default", [("a", 3)], "9", {("default", "b")}),
    "an empty list": ("", [], "9", {("default", "a"), ("default", "b"), ("other", "c")}),
}


@pytest.mark.parametrize("namespace, listed, version, gone", LISTS.values(), ids=LISTS)
async def test_a_list_of_jobs_is_the_truth(namespace, listed, version, gone):
    memory = Memory.create(WorkQueue())
    for job in (a_named_job("a", 3), a_named_job("b", 5), a_named_job("c", 1, "other")):
        memory.put_job(job)
    found = memory.replace_jobs(namespace, [a_named_job(*item) for item in listed], version)
    assert set(found) == gone


async def test_a_list_of_jobs_brings_what_was_never_heard_of_and_undoes_nothing():
    memory = Memory.create(WorkQueue())
    memory.put_job(a_named_job("a", 7))
    memory.replace_jobs("", [a_named_job("a", 3), a_named_job("new", 4)], "5")
    versions = {name: job["metadata"]["resourceVersion"] for (_, name), job in memory.jobs.items()}
    assert versions == {"a": "7", "new": "4"}


def test_the_history_hears_of_each_newer_version_until_the_job_is_gone():
    history = History()
    memory = Memory.create(WorkQueue(), history=history)
    for version, step in ((2, 10), (1, 5), (3, 20)):
        document = a_named_job("b0", version)
        document["status"] = {"progress": {"step": step}}
        memory.put_job(document)
    assert [point.step for point in history.points(("default", "b0"))] == [10, 20]
    memory.forget_job(("default", "b0"))
    assert history.points(("default", "b0")) == []
