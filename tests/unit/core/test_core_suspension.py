"""Suspended jobs: pods given back, attempt kept, and what an end before it means."""

import pytest
from core_builders import Cluster, a_job, a_running_job, fail, failed, is_empty, succeeded


def test_suspending_gives_all_pods_back_and_takes_the_table_away():
    cluster = a_running_job()
    cluster.job["spec"]["runPolicy"]["suspend"] = True
    plan = cluster.turn()
    assert {d.grace_s for d in plan.deletes} == {None}  # time for a checkpoint
    assert len(plan.deletes) == 4
    assert cluster.status["phase"] == "Suspended"
    assert cluster.status["npus"] == {"total": 4, "allocated": 0}
    assert cluster.condition("Running") == ("False", "Suspended")
    assert "rankTable" not in cluster.status
    assert [e.reason for e in plan.events] == ["Suspended"]
    data = cluster.config_maps["b0-1-rank-table"]["data"]
    assert data == {"hccl.json": '{"status":"initializing"}', "peers.json": "[]"}
    assert is_empty(cluster.turn())


@pytest.mark.parametrize("gone", [True, False], ids=["pods gone", "pods still going"])
def test_resuming_goes_on_with_the_same_attempt(gone):
    cluster = a_running_job()
    cluster.job["spec"]["runPolicy"]["suspend"] = True
    cluster.settle()
    for name in cluster.pods:
        cluster.pods[name] = failed(cluster.pods[name], 143)
    if gone:
        cluster.collect()
    cluster.job["spec"]["runPolicy"]["suspend"] = False
    plan = cluster.turn()
    if not gone:
        assert plan.pods == ()
        assert cluster.condition("Created") == ("False", "WaitingForPods")
        cluster.collect()
    cluster.run()
    assert cluster.status["attempt"] == 1
    assert cluster.status["restarts"] == 0
    assert cluster.condition("Suspended") == ("False", "Resumed")
    assert cluster.message("Suspended") == "runPolicy.suspend is false"
    assert "history" not in cluster.status


def test_a_restart_that_is_suspended_is_no_restart_any_more_and_waits_for_no_delay():
    cluster = a_running_job()
    for attempt in (1, 2):
        fail(cluster, f"b0-{attempt}-2", 1)
        cluster.collect()
        if attempt == 1:
            cluster.run()
    cluster.job["spec"]["runPolicy"] = {"suspend": True}
    cluster.turn()
    assert cluster.condition("Restarting") == ("False", "Suspended")
    cluster.job["spec"]["runPolicy"] = {"suspend": False}
    assert [p["metadata"]["name"] for p in cluster.turn().pods][:1] == ["b0-3-0"]


def test_a_job_that_starts_suspended_creates_nothing():
    cluster = Cluster(a_job(4, runPolicy={"suspend": True}))
    assert cluster.turn().status_first
    assert not cluster.pods
    assert not cluster.config_maps
    assert cluster.status["phase"] == "Suspended"


def test_a_job_that_ended_before_it_was_suspended_has_ended():
    for code, condition in ((0, ("Succeeded", "Completed")), (3, ("Failed", "BadData"))):
        cluster = a_running_job()
        for name, pod in cluster.pods.items():
            cluster.pods[name] = failed(pod, code) if code else succeeded(pod, rank=pod.index)
        cluster.job["spec"]["runPolicy"] = {"suspend": True}
        cluster.turn()
        assert cluster.condition(condition[0]) == ("True", condition[1])


def test_a_suspended_rank_that_fails_otherwise_is_only_suspended():
    cluster = a_running_job()
    cluster.pods["b0-1-0"] = failed(cluster.pods["b0-1-0"], 143)
    cluster.job["spec"]["runPolicy"] = {"suspend": True}
    cluster.turn()
    assert cluster.status["phase"] == "Suspended"


@pytest.mark.parametrize("suspended", [True, False])
def test_a_gang_that_stands_has_no_speed(suspended):
    cluster = a_running_job()
    cluster.progress = {"phase": "training", "step": 30, "loss": 1.0, "imagesPerSecond": 9.0,
                        "etaSeconds": 100}  # fmt: skip
    cluster.turn()
    cluster.progress = None
    if suspended:
        cluster.job["spec"]["runPolicy"] = {"suspend": True}
        cluster.turn()
    else:
        fail(cluster, "b0-1-2", 1)
    assert cluster.status["progress"].keys() >= {"step", "loss", "totalSteps"}
    assert not cluster.status["progress"].keys() & {"phase", "imagesPerSecond", "etaSeconds"}


def test_a_job_that_ends_while_it_is_suspended_is_suspended_no_more():
    cluster = a_running_job()
    cluster.job["spec"]["runPolicy"] = {"suspend": True}
    cluster.turn()
    assert cluster.condition("Suspended") == ("True", "Suspended")
    cluster.pods = {n: succeeded(p, rank=p.index) for n, p in cluster.pods.items()}
    cluster.settle()
    assert cluster.condition("Succeeded") == ("True", "Completed")
    assert cluster.condition("Suspended") == ("False", "Completed")


def test_what_a_suspended_attempt_waited_for_is_said_no_more():
    cluster = Cluster(a_job(4))
    cluster.settle()
    cluster.change("b0-1-0", unschedulable="no room", unschedulable_since=cluster.now)
    cluster.turn()
    assert cluster.condition("Scheduled") == ("False", "Unschedulable")
    cluster.job["spec"]["runPolicy"] = {"suspend": True}
    plan = cluster.turn()
    assert cluster.condition("Scheduled") == ("False", "Suspended")
    assert "no room" not in cluster.message("Scheduled")
    assert cluster.condition("Running") is None  # it never was
    assert [e.reason for e in plan.events] == ["Suspended"]
    cluster.collect()
    assert is_empty(cluster.settle())
