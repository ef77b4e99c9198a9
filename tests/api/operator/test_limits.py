"""Limits of time and the job's own rules for failures, on a real API server."""

import time

from operator_lab.job import JOBS
from operator_lab.trainer import serving_progress, take_address
from operator_lab.waiting import wait_until

NOWHERE = {"spec": {"nodeSelector": {"there-is": "no-such-node"}}}


def test_a_job_fails_at_its_deadline_and_stays_failed(lab):
    job = lab.job(npus=2)
    job.run()
    job.patch({"runPolicy": {"activeDeadlineSeconds": int(job.age_s) + 3}})
    status = job.wait_phase("Failed")
    assert job.condition("Failed")["reason"] == "DeadlineExceeded"
    assert status["failure"]["reason"] == "DeadlineExceeded"
    job.wait("gives its pods back", lambda _: not job.pods())
    assert sorted(lab.created("pods")) == ["digits-1-0", "digits-1-1"]


def test_a_gang_without_room_is_given_back_and_tried_again(lab):
    job = lab.job(npus=2, podTemplate=NOWHERE, runPolicy={"pendingDeadlineSeconds": 3})
    job.wait("has pods without a node", lambda _: len(job.pods()) == 2)
    status = job.wait("begins attempt 2", lambda s: s.get("attempt") == 2)
    assert status["chargedRestarts"] == 0
    (record,) = status["history"]
    assert record["reason"] == "PendingDeadlineExceeded"
    assert "pendingDeadlineSeconds 3" in record["message"]
    assert "Scheduled is False: 2 of 2 pods have no node" in record["message"]
    names = {"digits-2-0", "digits-2-1"}
    job.wait("tries again", lambda _: {p["metadata"]["name"] for p in job.pods()} == names)


def test_a_gang_that_stands_still_is_restarted_and_the_silent_rank_named(lab):
    stopped_at = time.time() - 100

    def progress():
        entry = {"rank": 0, "phase": "training", "step": 7, "lastProgress": stopped_at}
        return {"ranks": [{**entry, "heartbeat": time.time()}]}

    job = lab.job(npus=2, runPolicy={"progressDeadlineSeconds": 60})
    with serving_progress(progress):
        pods = job.wait_bound(2)
        take_address(job, pods[0])
        job.allocate_all(job.pods())
        status = job.wait("begins attempt 2", lambda s: s.get("attempt") == 2)
    failure = status["failure"]
    assert {k: failure[k] for k in ("reason", "rank", "pod", "npu")} == {
        "reason": "NoProgress", "rank": 0, "pod": "digits-1-0", "npu": "0"
    }  # fmt: skip
    assert "of the 1 of 2 ranks that answered; it is at step 7, training" in failure["message"]
    assert status["chargedRestarts"] == 1


def test_a_finished_job_is_deleted_after_its_time(lab):
    job = lab.job(npus=1, runPolicy={"ttlSecondsAfterFinished": 1})
    (pod,) = job.run()
    job.end(pod, 0)
    wait_until("the job is gone", lambda: lab.api.find(JOBS, lab.namespace, job.name) is None)


def test_the_jobs_rules_decide_about_a_failure(lab):
    rules = [{"action": "RestartUncharged", "onExitCodes": {"operator": "In", "values": [9]}}]
    job = lab.job(npus=1, runPolicy={"backoffLimit": 0, "failurePolicy": {"rules": rules}})
    (pod,) = job.run()
    job.end(pod, 9)
    (pod,) = job.run(attempt=2)
    assert job.status["chargedRestarts"] == 0
    job.end(pod, 10)
    job.wait_phase("Failed")
    assert job.condition("Failed")["reason"] == "BackoffLimitExceeded"
