"""Limits of time: the job's, an attempt's until it runs, and a finished job's stay."""

from datetime import timedelta

import pytest
from core_builders import T0, UID, Cluster, a_job, is_empty, succeeded
from efficientnet_operator.core.stages.clearing import back_off_s


def a_cluster(**run_policy):
    return Cluster(a_job(4, scheduling={"npusPerHost": 2}, runPolicy=run_policy))


def test_a_job_that_takes_too_long_is_failed_and_its_ranks_may_save():
    cluster = a_cluster(activeDeadlineSeconds=600)
    cluster.run()
    cluster.progress = {"rank": 0, "phase": "training", "step": 120}
    plan = cluster.turn(599)
    assert plan.requeue_s == pytest.approx(1)
    plan = cluster.turn(1)
    assert plan.status_first
    assert cluster.condition("Failed") == ("True", "DeadlineExceeded")
    assert cluster.condition("Running") == ("False", "DeadlineExceeded")
    message = cluster.message("Failed")
    assert "activeDeadlineSeconds 600" in message
    assert "step 120 of 300" in message
    assert (
        cluster.status["failure"].items() >= {"attempt": 1, "reason": "DeadlineExceeded"}.items()
    )
    assert [d.grace_s for d in plan.deletes] == [None] * 4
    cluster.collect()
    assert is_empty(cluster.turn(10_000))


def test_success_at_the_deadline_is_success():
    cluster = a_cluster(activeDeadlineSeconds=600)
    cluster.run()
    cluster.pods = {n: succeeded(p, rank=p.index) for n, p in cluster.pods.items()}
    cluster.turn(601)
    assert cluster.condition("Succeeded") == ("True", "Completed")


def test_the_deadline_starts_again_when_the_job_resumes():
    cluster = a_cluster(activeDeadlineSeconds=600)
    cluster.run()
    cluster.job["spec"]["runPolicy"]["suspend"] = True
    cluster.turn(500)
    assert "startTime" not in cluster.status
    assert "attemptStartTime" not in cluster.status
    cluster.collect()
    cluster.turn(5000)
    assert cluster.condition("Failed") is None
    cluster.job["spec"]["runPolicy"]["suspend"] = False
    cluster.settle()
    started = cluster.status["startTime"]
    assert started == (T0 + timedelta(seconds=5500)).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    assert cluster.turn(599).requeue_s <= 1
    cluster.turn(1)
    assert cluster.condition("Failed") == ("True", "DeadlineExceeded")


def test_a_gang_that_does_not_start_in_time_is_given_back_uncharged():
    cluster = a_cluster(pendingDeadlineSeconds=60)
    cluster.settle()
    words = "0/3 nodes are available: 3 Insufficient huawei.com/Ascend910."
    for name in cluster.pods:
        cluster.change(name, unschedulable=words, unschedulable_since=cluster.now)
    cluster.turn(59)
    assert cluster.status["attempt"] == 1
    plan = cluster.turn(1)
    assert {d.name for d in plan.deletes} == {f"b0-1-{i}" for i in range(4)}
    assert [d.grace_s for d in plan.deletes] == [None] * 4
    assert (cluster.status["attempt"], cluster.status["chargedRestarts"]) == (2, 0)
    assert cluster.condition("Restarting") == ("True", "PendingDeadlineExceeded")
    for told in (cluster.message("Restarting"), cluster.status["failure"]["message"]):
        assert "pendingDeadlineSeconds 60" in told
        assert words in told
    cluster.collect()
    # Ten seconds at least, so that another gang can take what this one held.
    assert cluster.turn(9).pods == ()
    assert len(cluster.turn(11).pods) == 4
    cluster.run()
    assert cluster.status["phase"] == "Running"


def test_a_gang_that_ran_in_time_has_no_pending_deadline_any_more():
    cluster = a_cluster(pendingDeadlineSeconds=60)
    cluster.run()
    cluster.change("b0-1-0", ready=False)
    assert is_empty(cluster.turn(100))


def test_a_gang_without_its_chips_is_told_to_wait_for_the_plugin():
    cluster = a_cluster(pendingDeadlineSeconds=60)
    cluster.settle()
    for name in cluster.pods:
        cluster.change(name, node="n1", host_ip="10.0.0.1")
    cluster.turn(61)
    assert "Allocated is False: 0/4 NPUs allocated" in cluster.message("Restarting")


PENDING = {"reason": "PendingDeadlineExceeded", "startTime": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("attempts", "spread", "delay"),
    [(1, 0, 10), (2, 0, 20), (3, 0.5, 60), (9, 0, 300), (9, 1, 600)],
)
def test_waiting_gangs_try_again_after_growing_delays(attempts, spread, delay):
    # However long they waited: a wait is no steady run.
    record = {**PENDING, "completionTime": "2026-01-01T05:00:00Z"}
    assert back_off_s([record] * attempts, spread) == delay


def test_two_jobs_do_not_come_back_at_the_same_time():
    delays = []
    for uid in (UID, UID.replace("6", "7")):
        cluster = a_cluster(pendingDeadlineSeconds=60)
        cluster.job["metadata"]["uid"] = uid
        cluster.settle()
        cluster.turn(61)
        cluster.pods.clear()
        delays.append(cluster.turn(0.5).requeue_s)
    assert delays[0] != delays[1]
    assert all(9 < delay < 20 for delay in delays)


def finished(**run_policy):
    cluster = a_cluster(**run_policy)
    cluster.run()
    cluster.pods = {n: succeeded(p, rank=p.index) for n, p in cluster.pods.items()}
    return cluster


def test_a_finished_job_is_deleted_when_its_time_is_over():
    cluster = finished(ttlSecondsAfterFinished=60)
    assert not cluster.turn().delete_job
    plan = cluster.turn(59)
    assert not plan.delete_job
    assert plan.requeue_s == pytest.approx(1)
    assert cluster.turn(1).delete_job


def test_no_job_is_deleted_before_its_end_is_stored():
    cluster = finished(ttlSecondsAfterFinished=0)
    assert not cluster.turn().delete_job
    assert cluster.turn().delete_job


def test_a_job_without_a_limit_is_kept():
    cluster = finished()
    cluster.turn()
    plan = cluster.turn(10**8)
    assert not plan.delete_job
    assert plan.requeue_s is None


def test_a_longer_life_can_be_given_to_a_finished_job():
    cluster = finished(ttlSecondsAfterFinished=60)
    cluster.turn()
    cluster.job["spec"]["runPolicy"]["ttlSecondsAfterFinished"] = 600
    assert not cluster.turn(61).delete_job
