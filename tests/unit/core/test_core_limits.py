"""Limits of time: for the job, until it runs, for the next step, and after its end."""

from datetime import timedelta

import pytest
from core_builders import T0, UID, Cluster, a_job, a_report, is_empty, succeeded
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
    message = (
        "runPolicy.activeDeadlineSeconds 600 is over, with step 120 of 300 done; its checkpoints "
        "are kept: a new job with the same output goes on from there"
    )
    assert cluster.message("Failed") == message
    failure = {"attempt": 1, "reason": "DeadlineExceeded", "message": message}
    assert cluster.status["failure"] == failure
    assert [d.grace_s for d in plan.deletes] == [None] * 4
    assert cluster.status["history"][-1]["charged"] is False  # no failure used it up
    cluster.collect()
    assert is_empty(cluster.turn(10_000))


def test_a_job_that_never_ran_until_its_deadline_has_done_no_step():
    cluster = a_cluster(activeDeadlineSeconds=600)
    cluster.settle()
    cluster.turn(600)
    assert "is over, with no step done; its checkpoints" in cluster.message("Failed")


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
    message = (
        "attempt 1 did not run within runPolicy.pendingDeadlineSeconds 60: Scheduled is False: "
        f"4 of 4 pods have no node (4 NPUs missing): b0-1-0: {words}"
    )
    assert cluster.message("Restarting") == f"attempt 2 follows: {message}"
    failure = {"attempt": 1, "reason": "PendingDeadlineExceeded", "message": message}
    assert cluster.status["failure"] == failure
    cluster.collect()
    # Ten seconds at least, so that another gang can take what this one held.
    assert cluster.turn(9).pods == ()
    assert len(cluster.turn(11).pods) == 4
    cluster.run()
    assert cluster.status["phase"] == "Running"


def test_a_gang_that_is_given_back_while_a_host_is_stuck_is_given_back_once():
    cluster = a_cluster(pendingDeadlineSeconds=10)
    cluster.settle()
    cluster.change("b0-1-0", node="small", bound_since=cluster.now)
    cluster.change("b0-1-1", unschedulable="no room", unschedulable_since=cluster.now)
    plan = cluster.turn(10)
    assert sorted(d.name for d in plan.deletes) == [f"b0-1-{i}" for i in range(4)]
    assert [e.reason for e in plan.events] == ["Unschedulable", "PendingDeadlineExceeded"]


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


def a_silent_gang(silent_s=70.0, **run_policy):
    cluster = a_cluster(progressDeadlineSeconds=60, **run_policy)
    cluster.run()
    cluster.progress = {"phase": "training", "step": 120, "silent_s": silent_s}
    return cluster


def test_all_ranks_are_asked_once_rank_0_is_silent_for_too_long():
    cluster = a_silent_gang(silent_s=59.0)
    assert not cluster.turn().ask_all
    cluster = a_silent_gang()
    plan = cluster.turn()
    assert plan.ask_all
    assert not plan.deletes
    assert plan.waits_for == "every rank's word on when it last made progress"


def test_the_rank_that_stopped_first_is_named_and_the_gang_restarted():
    cluster = a_silent_gang()
    cluster.survey = (
        a_report(0, silent_s=70.0, step=120, phase="training"),
        a_report(3, silent_s=71.0, step=120, phase="training"),
        a_report(1, silent_s=70.5, step=120, phase="training"),
    )
    cluster.progress = None
    plan = cluster.turn()
    assert (cluster.status["attempt"], cluster.status["chargedRestarts"]) == (2, 1)
    failure = cluster.status["failure"]
    assert {k: failure[k] for k in ("rank", "pod", "node", "npu", "attempt", "reason")} == {
        "rank": 3, "pod": "b0-1-3", "node": "node-1", "npu": "1", "attempt": 1,
        "reason": "NoProgress",
    }  # fmt: skip
    assert failure["message"] == (
        "no step, evaluated batch or new phase for 71 s, the longest of the 3 of 4 ranks that "
        "answered; it is at step 120, training; runPolicy.progressDeadlineSeconds is 60"
    )
    told = f"attempt 2 follows: rank 3 (pod b0-1-3 on node-1): NoProgress: {failure['message']}"
    assert cluster.message("Restarting") == told
    assert cluster.condition("Restarting") == ("True", "NoProgress")
    # Who hangs in a collective saves nothing, however long it is given.
    assert [d.grace_s for d in plan.deletes] == [5] * 4


def test_a_silent_rank_of_a_pod_that_nobody_knows_is_named_all_the_same():
    cluster = a_silent_gang()
    cluster.survey = (a_report(0, silent_s=70.0), a_report(9, silent_s=71.0, pod="b0-1-9"))
    cluster.turn()
    failure = cluster.status["failure"]
    assert (failure["rank"], failure["pod"]) == (9, "b0-1-9")
    assert "node" not in failure


def test_a_gang_that_moved_while_it_was_asked_goes_on():
    cluster = a_silent_gang()
    cluster.survey = (a_report(0, silent_s=1.0, phase="training"),)
    plan = cluster.turn()
    assert cluster.status["attempt"] == 1
    assert not plan.ask_all


def test_silence_is_charged():
    cluster = a_silent_gang(backoffLimit=0)
    cluster.survey = (a_report(0, silent_s=70.0, step=1, phase="training"),)
    cluster.turn()
    assert cluster.condition("Failed") == ("True", "BackoffLimitExceeded")


def test_without_a_limit_or_an_answer_nothing_is_done():
    cluster = a_cluster()
    cluster.run()
    cluster.progress = {"phase": "training", "silent_s": 10.0**6}
    assert not cluster.turn().ask_all
    cluster = a_silent_gang()
    cluster.survey = ()
    assert cluster.turn().ask_all
    assert cluster.status["attempt"] == 1


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
    assert plan.waits_for == "nothing: the job is finished"


def test_a_longer_life_can_be_given_to_a_finished_job():
    cluster = finished(ttlSecondsAfterFinished=60)
    cluster.turn()
    cluster.job["spec"]["runPolicy"]["ttlSecondsAfterFinished"] = 600
    assert not cluster.turn(61).delete_job
