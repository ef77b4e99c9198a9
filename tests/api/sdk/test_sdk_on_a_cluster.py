"""What one does with a job, by SDK and commands, as a real API server answers."""

import json

import pytest
import yaml
from efficientnet_operator.sdk import (
    AsyncClient,
    Client,
    ForbiddenError,
    GoneError,
    InvalidJobError,
    NotFoundError,
    NotStartedError,
    RefusedError,
    TakenError,
    WaitTimeoutError,
    build_job,
)
from efficientnet_operator.sdk.requests import Request
from operator_lab.job import JOBS, build_end

MANIFEST = build_job("b0", image="trainer:1", dataset="/data", output="/output", npus=2)
RUNNING = {
    "phase": "Running",
    "attempt": 1,
    "conditions": [{"type": "Running", "status": "True", "reason": "AllRanksReady"}],
    "progress": {"step": 5, "totalSteps": 100, "percent": 5.0},
}
SUCCEEDED = {
    "phase": "Succeeded",
    "attempt": 1,
    "conditions": [{"type": "Succeeded", "status": "True", "reason": "Completed"}],
    "progress": {"step": 100, "totalSteps": 100, "percent": 100.0, "top1": 0.987},
}
OPTIONS = ("--image=trainer:1", "--npus=2", "--dataset=/data", "--output-path=/out")


def add_pod(api, namespace, job, index, node="", **status):
    """Create a trainer pod of the first attempt, as the operator would."""
    prefix = "efficientnet.dev/"
    labels = {"job-name": "b0", "job-uid": job.uid, "attempt": "1", "replica-index": str(index)}
    name = f"b0-1-{index}"
    pod = {
        "metadata": {"name": name, "labels": {prefix + k: v for k, v in labels.items()}},
        "spec": {"containers": [{"name": "trainer", "image": "trainer:1"}]},
    }
    if node:
        pod["spec"]["nodeName"] = node
    api.create("pods", namespace, pod)
    if status:
        api.patch("pods", namespace, name, {"status": status}, "status")


def test_a_job_from_submit_to_its_result(api, client, play, namespace):
    job = client.submit(MANIFEST)
    with pytest.raises(TakenError, match="exists already"):
        client.submit(MANIFEST)
    assert [s.name for s in client.list()] == ["b0"]
    assert [s.name for s in client.list(everywhere=True) if s.namespace == namespace] == ["b0"]
    seen = []
    on_change = play("b0", RUNNING, SUCCEEDED)
    state = job.wait(timeout_s=30, on_change=lambda s: (seen.append(s.phase), on_change(s)))
    assert (state.succeeded, seen) == (True, ["New", "Running", "Succeeded"])
    word = {"rank": 0, "checkpoint": "/output/model.ckpt-100"}
    add_pod(api, namespace, job, 0, **build_end(0, word)["status"])
    assert (job.result().checkpoint, job.result().top1) == ("/output/model.ckpt-100", 0.987)
    assert [p.step for p in job.progress()] == [100]


async def test_the_same_from_an_event_loop(control_plane, play, namespace):
    kubeconfig = str(control_plane.kubeconfig)
    async with await AsyncClient.connect(kubeconfig, namespace=namespace) as client:
        job = await client.submit(MANIFEST)
        state = await job.wait(timeout_s=30, on_change=play("b0", RUNNING, SUCCEEDED))
        assert state.succeeded
        assert (await job.result()).output == "/output"
        await job.delete()
        with pytest.raises(GoneError):
            await job.state()


def test_the_server_refuses_in_the_same_words(client):
    wrong = {**MANIFEST, "spec": {**MANIFEST["spec"], "npus": 12, "npusPerPod": 8}}
    words = []
    for check in (True, False):
        with pytest.raises(InvalidJobError) as refused:
            client.submit(wrong, check=check)
        words.append(str(refused.value))
    assert all("spec.npus is 12, not a multiple of spec.npusPerPod 8" in w for w in words)
    unknown = {**MANIFEST, "spec": {**MANIFEST["spec"], "epochs": 3}}
    with pytest.raises(InvalidJobError, match=r'unknown field "spec\.epochs"'):
        client.submit(unknown, check=False)


def test_a_time_that_is_over_and_a_job_deleted_meanwhile(client, play):
    job = client.submit(MANIFEST)
    with pytest.raises(WaitTimeoutError, match=r"is New, not Succeeded, after 0\.5 s"):
        job.wait(timeout_s=0.5)
    with pytest.raises(GoneError, match="was deleted; its checkpoints stay"):
        job.wait(timeout_s=30, on_change=play("b0", RUNNING, None))
    client.submit(MANIFEST)
    with pytest.raises(GoneError):  # a namesake is another job
        job.delete()


def test_suspend_and_resume(api, client, namespace):
    job = client.submit(MANIFEST)
    assert job.suspend().spec["runPolicy"]["suspend"] is True
    assert job.resume().spec["runPolicy"]["suspend"] is False
    assert api.get(JOBS, namespace, "b0")["spec"]["npus"] == 2


def test_logs_that_cannot_be_had(api, client, namespace):
    job = client.submit(MANIFEST)
    with pytest.raises(NotStartedError, match="has no log yet: it is New"):
        list(job.logs())
    api.patch(JOBS, namespace, "b0", {"status": RUNNING}, "status")
    container = {"name": "trainer", "image": "i", "imageID": "", "ready": True, "restartCount": 0}
    running = {"containerStatuses": [container | {"state": {"running": {}}}], "phase": "Running"}
    add_pod(api, namespace, job, 0, node="nowhere", **running)
    with pytest.raises((NotFoundError, RefusedError), match=r"the log of Pod .*b0-1-0 cannot be"):
        list(job.logs())


def test_ranks_and_their_table(api, client, namespace):
    job = client.submit(MANIFEST)
    with pytest.raises(NotStartedError, match="no rank table yet"):
        job.rank_table()
    api.patch(JOBS, namespace, "b0", {"status": RUNNING}, "status")
    add_pod(api, namespace, job, 0)
    files = {"hccl.json": '{"status": "completed"}', "peers.json": '[{"rank":0,"pod":"b0-1-0"}]'}
    table = {"metadata": {"name": "b0-1-rank-table"}, "data": files}
    api.create("configmaps", namespace, table)
    assert job.rank_table() == {"status": "completed"}
    assert [(r.rank, r.state) for r in job.ranks()] == [(0, "Pending")]


def test_events_of_this_job_alone(api, client, namespace):
    job = client.submit(MANIFEST)
    for reason, uid in (("Mine", job.uid), ("Older", "another")):
        target = {"kind": "EfficientNetJob", "name": "b0", "namespace": namespace, "uid": uid}
        metadata = {"name": reason.lower()}
        event = {"metadata": metadata, "involvedObject": target, "reason": reason}
        api.create("events", namespace, event)
    assert [e["reason"] for e in job.events()] == ["Mine"]


def test_who_may_do_nothing_is_told_so(enj, stranger):
    for words in (["list"], ["submit", "b0", *OPTIONS], ["status", "b0"]):
        said = enj(*words, kubeconfig=stranger)
        assert (said.code, said.out, len(said.err.splitlines())) == (6, "", 1)
        assert "is forbidden" in said.err
        assert "ask whoever runs the cluster to allow it" in said.err


def test_a_token_that_is_none(client, control_plane, tmp_path):
    content = yaml.safe_load(control_plane.kubeconfig.read_text())
    for user in content["users"]:
        user["user"] = {"token": "wrong"}
    path = tmp_path / "wrong"
    path.write_text(json.dumps(content))
    with Client(str(path)) as wrong, pytest.raises(ForbiddenError, match="log in anew"):
        wrong.list()


def test_how_a_server_says_that_an_api_is_missing(client):
    request = Request("GET", "/apis/not.installed/v1/namespaces/x/things/y", "read", "y")
    answer = client.transport.send(request)
    assert (answer.status, answer.body) == (404, b"404 page not found\n")


def test_commands_of_a_life(api, enj, namespace):
    assert "efficientnetjob.efficientnet.dev/b0 created" in enj("submit", "b0", *OPTIONS).out
    taken = enj("submit", "b0", *OPTIONS)
    assert (taken.code, "exists already" in taken.err) == (5, True)
    api.patch(JOBS, namespace, "b0", {"status": RUNNING}, "status")
    assert "Running, attempt 1" in enj("status", "b0").out
    assert json.loads(enj("list", "-o", "json").out)["items"][0]["kind"] == "EfficientNetJob"
    assert enj("wait", "b0", "--for=Running", "--timeout=10s").code == 0
    assert enj("wait", "b0", "--timeout=0.5s").code == 3
    assert enj("top").out.splitlines()[-1].split() == ["0", "jobs", "0", "0.0"]
    assert enj("suspend", "b0").code == 0
    assert enj("delete", "b0", "--wait", "--timeout=10s").code == 0
    gone = enj("status", "b0")
    assert (gone.code, "does not exist; name its namespace with -n" in gone.err) == (4, True)
