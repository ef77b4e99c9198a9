"""A plan in words: what is waited for, what is amiss, what comes next."""

import json
from datetime import timedelta

import pytest
import yaml
from core_builders import Cluster, a_job, a_running_job, fail, succeeded
from efficientnet_operator.core.explanation import explain_plan, find_unmet, plan_as_data


def explain(cluster):
    return explain_plan(cluster.view(), cluster.plan(), cluster.now)


def a_new_job():
    return Cluster(a_job(16, npusPerPod=1))


def a_waiting_job():
    cluster = Cluster(a_job(4, scheduling={"npusPerHost": 2}))
    cluster.settle()
    words = "0/4 nodes are available:\n4 Insufficient huawei.com/Ascend910."
    for name in list(cluster.pods):
        cluster.change(name, unschedulable=words, unschedulable_since=cluster.now)
    cluster.turn(42)
    return cluster


def an_allocated_job():
    cluster = Cluster(a_job(4, scheduling={"npusPerHost": 2}))
    cluster.settle()
    cluster.bind()
    return cluster


def a_training_job():
    cluster = a_running_job()
    cluster.progress = {"rank": 0, "step": 120, "phase": "training"}
    cluster.settle()
    return cluster


def a_failing_job():
    cluster = a_training_job()
    fail(cluster, "b0-1-2", 1, rank=2, message="loss is not\na number")
    return cluster


def a_suspended_job():
    cluster = a_running_job()
    cluster.job["spec"]["runPolicy"] = {"suspend": True}
    cluster.settle()
    cluster.collect()
    return cluster


def a_finished_job():
    cluster = a_running_job(ttlSecondsAfterFinished=600)
    cluster.pods = {name: succeeded(pod) for name, pod in cluster.pods.items()}
    cluster.settle()
    return cluster


LIVES = {
    "nobody has looked at it": (
        a_new_job,
        """\
EfficientNetJob default/b0: Pending, attempt 1, 0 restarts, 0 of 16 NPUs allocated
It waits for the API server to store them.

Not met:
  Created=False Creating for 0 s: attempt 1: 17 of 17 objects to create

Next the operator would:
  write its status: phase none -> Pending, Created=False Creating, attempt, attemptStartTime, \
npus, restarts, startTime
  create 1 ConfigMap: b0-1-rank-table
  create 16 Pods: b0-1-0, b0-1-1, b0-1-2 and 13 more
  look again in 5 s, or when something changes
""",
    ),
    "no node has room": (
        a_waiting_job,
        """\
EfficientNetJob default/b0: Pending, attempt 1, 0 restarts, 0 of 4 NPUs allocated
It waits for a node for b0-1-0, b0-1-1, b0-1-2 and 1 more.

Not met:
  Scheduled=False Unschedulable for 42 s: 4 of 4 pods have no node (4 NPUs missing): b0-1-0: \
0/4 nodes are available: 4 Insufficient huawei.com/Ascend910.

Next the operator would:
  look again in 2 s, or when something changes
""",
    ),
    "all devices are known": (
        an_allocated_job,
        """\
EfficientNetJob default/b0: Starting, attempt 1, 0 restarts, 4 of 4 NPUs allocated
It waits for b0-1-0, b0-1-1, b0-1-2 and 1 more to have the rank table.

Not met:
  Running=False WaitingForRanks for 0 s: 0/4 pods ready; waiting for b0-1-0, b0-1-1, b0-1-2 \
and 1 more (b0-1-0 has no running container yet)

Next the operator would:
  patch 1 ConfigMap: b0-1-rank-table
  patch 4 Pods: b0-1-0, b0-1-1, b0-1-2 and 1 more
  write its status: phase Pending -> Starting, Scheduled=True AllPodsScheduled, \
Allocated=True RankTablePublished, Running=False WaitingForRanks, npus, rankTable
  look again in 1 s, or when something changes
""",
    ),
    "it trains": (
        a_training_job,
        """\
EfficientNetJob default/b0: Running, attempt 1, 0 restarts, 4 of 4 NPUs allocated, step 120 of 300
It waits for the ranks to finish.

Next the operator would:
  ask rank 0 how far it is
  look again when something changes
""",
    ),
    "a rank failed, the old pods are on their way out": (
        a_failing_job,
        """\
EfficientNetJob default/b0: Restarting, attempt 2, 1 restart, 0 of 4 NPUs allocated, \
step 120 of 300
It waits for 4 pods of an older attempt to go.

Not met:
  Restarting=True Error for 0 s: attempt 2 follows: rank 2 (pod b0-1-2 on node-1): exit code 1: \
loss is not a number
  Created=False WaitingForPods for 0 s: 4 pods of an older attempt still exist: b0-1-0
  Scheduled=False Restarting for 0 s
  Allocated=False Restarting for 0 s
  Running=False Restarting for 0 s

Last failure:
  Error: attempt 1, rank 2, pod b0-1-2, node node-1, NPU 0, exit code 1
  loss is not a number

Earlier attempts:
  1: Error, charged, at step 120, after 5 s

Next the operator would:
  write its status: Created=False WaitingForPods
  look again in 5 s, or when something changes
""",
    ),
    "suspended": (
        a_suspended_job,
        """\
EfficientNetJob default/b0: Suspended, attempt 1, 0 restarts, 0 of 4 NPUs allocated
It waits for runPolicy.suspend to become false.

Not met:
  Suspended=True Suspended for 0 s: runPolicy.suspend is true
  Created=False Suspended for 0 s
  Scheduled=False Suspended for 0 s
  Allocated=False Suspended for 0 s
  Running=False Suspended for 0 s

Next the operator would:
  look again when something changes
""",
    ),
    "finished": (
        a_finished_job,
        """\
EfficientNetJob default/b0: Succeeded, attempt 1, 0 restarts, 4 of 4 NPUs allocated
It waits for runPolicy.ttlSecondsAfterFinished 600 to pass.

Earlier attempts:
  1: Completed, not charged, after 0 s

Next the operator would:
  look again in 10 min, or when something changes
""",
    ),
}  # fmt: skip


@pytest.mark.parametrize("make, want", LIVES.values(), ids=LIVES)
def test_a_job_in_words(make, want):
    assert explain(make()) == want


@pytest.mark.parametrize("make", [case[0] for case in LIVES.values()], ids=LIVES)
def test_a_job_as_data_can_be_written_in_both_forms(make):
    cluster = make()
    data = plan_as_data(cluster.view(), cluster.plan())
    assert json.loads(json.dumps(data)) == data
    assert yaml.safe_load(yaml.safe_dump(data)) == data


def test_the_data_has_the_objects_whole():
    cluster = a_new_job()
    data = plan_as_data(cluster.view(), cluster.plan())
    assert (data["job"], data["phase"], data["attempt"]) == ("default/b0", "Pending", 1)
    kinds = [document["kind"] for document in data["plan"]["creates"]]
    assert kinds == ["ConfigMap", *["Pod"] * 16]
    assert data["plan"]["requeueSeconds"] == 5
    assert data["unmet"][0]["reason"] == "Creating"


def test_a_failed_job_lacks_nothing_but_its_success():
    cluster = a_running_job()
    fail(cluster, "b0-1-2", 3, rank=2, message="no records")
    (unmet,) = find_unmet(cluster.status)
    assert (unmet["type"], unmet["reason"]) == ("Failed", "BadData")


def a_silent_job():
    cluster = a_running_job(progressDeadlineSeconds=60)
    cluster.progress = {"rank": 0, "phase": "training", "step": 120, "silent_s": 70.0}
    cluster.settle()
    return cluster


def an_expired_job():
    cluster = a_finished_job()
    cluster.now += timedelta(seconds=600)
    return cluster


STEPS = {
    "ranks that fell silent": (a_silent_job, "ask every rank how far it is"),
    "a job past its time": (an_expired_job, "delete the job"),
}


@pytest.mark.parametrize("make, step", STEPS.values(), ids=STEPS)
def test_what_comes_next(make, step):
    assert f"\n  {step}\n" in explain(make())


def test_a_status_that_tells_little_is_told_as_far_as_it_goes():
    cluster = a_running_job()
    cluster.job["status"] |= {"failure": {"reason": "Error"}, "history": [{"attempt": 1}]}
    told = explain(cluster)
    assert "Last failure:\n  Error: \n\nEarlier attempts:\n  1: ended, not charged\n" in told


def test_explaining_changes_nothing():
    cluster = a_new_job()
    explain(cluster)
    assert not cluster.pods
    assert cluster.status == {}
