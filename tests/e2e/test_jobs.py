"""EfficientNetJobs on real kubelets with real training: the demo's job, and jobs that die.

The gang tests use two ranks on two nodes and a network that is built in seconds: what
is tested is who stops, who is replaced and where training goes on.
"""

import copy
import json

import pytest
import yaml
from dashboards.recording import NAMESPACE, PODS, record, silent_queries
from demo import story
from demo.__main__ import follow
from demo.faults import kill_rank, stop_rank
from demo.small_job import build_small_job
from demo.stage import EXAMPLES
from monitoring_lab.scrapes import watching

MAY_BE_SILENT = {
    "jobs: Restarts by reason A",
    # A gang evaluates after its last step, and its ranks end before the next scrape.
    "jobs: Jobs D",
    "training: Top-1 A",
    "training: Accuracy B",
    "training: Loss B",
}
"""Queries of the dashboards that have nothing to show of a run without a restart."""
DIGITS = yaml.safe_load((EXAMPLES / "digits-b0.yaml").read_text())


def a_job(name, **spec):
    """Return a small job of two ranks; `spec` replaces parts of the example's."""
    return build_small_job(name, 600, **spec)


@pytest.mark.timeout(1500)
def test_the_demos_job_learns_and_all_places_tell_one_story(equipped, run):
    with watching(equipped, NAMESPACE, PODS) as prometheus:
        job = run(copy.deepcopy(DIGITS))
        document = follow(equipped)
        shown = record(prometheus, document)
    status = document["status"]
    assert status["progress"]["top1"] >= 0.95
    table = equipped.kubectl.get("configmap", status["rankTable"]["configMap"])["data"]
    servers = json.loads(table["hccl.json"])["server_list"]
    assert [len(s["device"]) for s in servers] == [2, 2]
    ranks = [int(d["rank_id"]) for s in servers for d in s["device"]]
    assert ranks == [0, 1, 2, 3]
    ended = job.wait_for_ends(4)
    assert {code for code, _ in ended.values()} == {0}
    reports = {r["rank"]: r for r in (json.loads(message) for _, message in ended.values())}
    assert sorted(reports) == [0, 1, 2, 3]
    assert {r["step"] for r in reports.values()} == {status["progress"]["step"]}
    assert reports[0]["top1"] == pytest.approx(status["progress"]["top1"], abs=1e-4)
    line = story.last_line(document, table["hccl.json"], 1)
    assert line.startswith("demo: EfficientNetJob default/digits-b0 Succeeded: top-1 0.9")
    assert "4 ranks on 2 nodes" in line
    assert silent_queries(shown) <= MAY_BE_SILENT


def test_a_killed_rank_restarts_the_gang_and_training_resumes(run):
    job = run(a_job("killed"))
    job.wait_until("step 60", lambda: job.step() >= 60)
    kill_rank(job.kubectl, "killed-1-1")
    job.wait_until("attempt 2", lambda: job.status().get("attempt") == 2, 60)
    status = job.wait_for_phase("Succeeded")
    assert (status["restarts"], status["chargedRestarts"]) == (1, 1)
    failure = status["failure"]
    found = (failure["attempt"], failure["pod"], failure["exitCode"])
    assert found == (1, "killed-1-1", 137), failure
    steps = job.steps(2)
    # The newest checkpoint before step 60 or later is that of step 50 or later.
    assert min(steps) > 50
    assert max(steps) == 600
    assert len(steps) == len(set(steps))


def test_a_stopped_rank_stops_the_gang_at_one_step_with_a_checkpoint(run):
    job = run(a_job("stopped"))
    job.wait_until("step 12", lambda: job.step() >= 12)
    stop_rank(job.kubectl, "stopped-1-1")
    status = job.wait_for_phase("Succeeded")
    assert status["attempt"] == 2
    ended = job.wait_for_ends(4)
    first = {name: ended[name] for name in ("stopped-1-0", "stopped-1-1")}
    assert {code for code, _ in first.values()} == {143}, first
    steps = {json.loads(message)["step"] for _, message in first.values()}
    assert len(steps) == 1
    stopped_at = steps.pop()
    assert stopped_at >= 12
    assert min(job.steps(2)) == stopped_at + 1


def test_a_deleted_pod_of_two_ranks_is_not_charged(equipped, run):
    job = run(a_job("deleted", npusPerPod=2, scheduling={}))
    job.wait_until("step 5", lambda: job.step() >= 5)
    job.kubectl("delete", "pod", "deleted-1-0", "--wait=false")
    status = job.wait_for_phase("Succeeded")
    assert (status["restarts"], status.get("chargedRestarts", 0)) == (1, 0)
    table = equipped.kubectl.get("configmap", status["rankTable"]["configMap"])["data"]
    (server,) = json.loads(table["hccl.json"])["server_list"]
    rings = {int(d["device_id"]) // 4 for d in server["device"]}
    assert ([d["rank_id"] for d in server["device"]], len(rings)) == (["0", "1"], 1)
    assert {p["pod"] for p in json.loads(table["peers.json"])} == {"deleted-2-0"}


def test_missing_data_fails_the_job_at_once(run):
    dataset = {**DIGITS["spec"]["dataset"], "path": "/data/none"}
    volume = {"volumes": [{"name": "d", **dataset.pop("volume")}]}
    template = {"spec": volume}
    container = {"name": "trainer", "volumeMounts": [{"name": "d", "mountPath": "/data"}]}
    template["spec"]["containers"] = [container]
    job = run(a_job("nodata", dataset=dataset, podTemplate=template))
    status = job.wait_for_phase("Failed", 120)
    assert status["attempt"] == 1
    assert status["failure"]["exitCode"] == 3
    assert status["failure"]["reason"] == "BadData"
    assert "/data/none" in status["failure"]["message"]
    assert "rank" in status["failure"]
