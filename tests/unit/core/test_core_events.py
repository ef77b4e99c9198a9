"""What is told of a job's life by Kubernetes events: each transition once, and nothing else."""

from datetime import timedelta

import pytest
from core_builders import Cluster, a_job, a_running_job, fail, succeeded
from efficientnet_operator.core.view import Refusal

STARTED = [
    ("Normal", "PodsCreated"),
    ("Normal", "AllPodsScheduled"),
    ("Normal", "RankTablePublished"),
    ("Normal", "AllRanksReady"),
]


def told(cluster):
    """Return the events since the last look."""
    events = [(event.type, event.reason) for event in cluster.events]
    cluster.events.clear()
    return events


def suspend(cluster, *, wanted):
    cluster.job["spec"]["runPolicy"] = {"suspend": wanted}
    cluster.settle()


def test_a_whole_life_is_told_once_each():
    cluster = Cluster(a_job(4))
    cluster.run()
    assert told(cluster) == STARTED

    fail(cluster, "b0-1-2", 1, rank=2)
    assert told(cluster) == [("Warning", "Error")]
    cluster.collect()
    cluster.run()
    assert told(cluster) == [*STARTED, ("Normal", "Restarted")]

    suspend(cluster, wanted=True)
    assert told(cluster) == [("Normal", "Suspended")]
    cluster.collect()
    cluster.settle()
    suspend(cluster, wanted=False)
    assert told(cluster)[:1] == [("Normal", "Resumed")]
    cluster.run()
    assert told(cluster) == STARTED[1:]

    cluster.pods = {name: succeeded(pod) for name, pod in cluster.pods.items()}
    cluster.settle()
    assert told(cluster) == [("Normal", "Completed")]


def test_a_failure_of_the_job_is_told_as_its_end():
    cluster = a_running_job()
    told(cluster)
    fail(cluster, "b0-1-0", 3, rank=0, message="no records")
    cluster.settle()
    assert told(cluster) == [("Warning", "BadData")]


def test_a_group_that_is_given_back_is_told_of_once():
    cluster = Cluster(a_job(4, scheduling={"npusPerHost": 2}))
    cluster.settle()
    for index, node in ((0, "small"), (2, "large"), (3, "large")):
        cluster.change(f"b0-1-{index}", node=node, bound_since=cluster.now)
    cluster.change("b0-1-1", unschedulable="no room", unschedulable_since=cluster.now)
    cluster.turn()
    told(cluster)
    cluster.turn(10)
    cluster.settle()
    assert told(cluster) == [("Normal", "HostGroupGivenBack")]


def a_waiting_job():
    cluster = Cluster(a_job(4))
    cluster.settle()
    for name in list(cluster.pods):
        cluster.change(
            name, unschedulable="0/4 nodes are available", unschedulable_since=cluster.now
        )
    return cluster


def a_refused_job():
    cluster = Cluster(a_job(4))
    cluster.refusals = {"b0-1-0": Refusal("PodForbidden", "exceeded quota")}
    return cluster


def a_suspended_job():
    return Cluster(a_job(4, runPolicy={"suspend": True}))


def a_training_job():
    cluster = a_running_job()
    cluster.progress = {"rank": 0, "step": 7, "phase": "training"}
    return cluster


def a_finished_job():
    cluster = a_running_job()
    cluster.pods = {name: succeeded(pod) for name, pod in cluster.pods.items()}
    return cluster


JOBS = {
    "waiting for nodes": (a_waiting_job, [("Warning", "Unschedulable")]),
    "refused": (a_refused_job, [("Warning", "PodForbidden")]),
    "suspended": (a_suspended_job, [("Normal", "Suspended")]),
    "training": (a_training_job, []),
    "finished": (a_finished_job, [("Normal", "Completed")]),
}


@pytest.mark.parametrize("make, want", JOBS.values(), ids=JOBS)
def test_ten_more_looks_tell_nothing_new(make, want):
    cluster = make()
    cluster.turn(1)
    assert told(cluster)[-1:] == want[-1:] or not want
    told(cluster)
    for _ in range(10):
        cluster.turn(0.3)
    assert told(cluster) == []


def test_a_refused_child_that_is_tried_again_and_again_is_told_of_once():
    cluster = a_refused_job()
    cluster.turn()
    told(cluster)
    refusals = cluster.refusals
    for _ in range(10):
        cluster.refusals = {}
        plan = cluster.plan()
        cluster.job["status"] = plan.status or cluster.status  # the pods were refused again
        cluster.events += plan.events
        cluster.refusals = refusals
        cluster.turn(timedelta(seconds=10).total_seconds())
    assert told(cluster) == []
