"""How a job ends: succeeded or failed, with figures and reasons, and for good."""

import json
from pathlib import Path

import pytest
from operator_lab.job import JOBS
from operator_lab.waiting import wait_until

CONTRACT = Path(__file__).parents[2] / "contract"
BAD_CONFIGURATION = {
    "rank": 0,
    "step": 0,
    "exitCode": 2,
    "reason": "BadConfiguration",
    "message": "--model_name=efficientnet-b9 is not known; use efficientnet-b0 to b8",
}


def contract(name):
    return json.loads((CONTRACT / name).read_text())


PERMANENT = {
    "bad configuration": (2, BAD_CONFIGURATION),
    "bad data": (3, contract("termination-bad-data.json")),
}


def pod_of_rank(job, pods, rank):
    name = next(peer["pod"] for peer in job.peers() if peer["rank"] == rank)
    return next(pod for pod in pods if pod["metadata"]["name"] == name)


@pytest.mark.parametrize("code, report", PERMANENT.values(), ids=PERMANENT)
def test_a_permanent_code_fails_the_job_at_once(lab, code, report):
    job = lab.job(npus=2)
    pods = job.run()
    failed = pod_of_rank(job, pods, report["rank"])
    job.end(failed, code, report)
    status = job.wait_phase("Failed")
    assert status["failure"] == {
        "rank": report["rank"],
        "pod": failed["metadata"]["name"],
        "node": failed["spec"]["nodeName"],
        "npu": str(report["rank"]),
        "attempt": 1,
        "exitCode": code,
        "reason": report["reason"],
        "message": report["message"],
    }
    condition = job.condition("Failed")
    assert condition["reason"] == report["reason"]
    assert report["message"] in condition["message"]
    assert status["completionTime"]
    job.wait("keeps the failed pod alone", lambda _: len(job.pods()) == 1)
    assert job.pods()[0]["metadata"]["uid"] == failed["metadata"]["uid"]
    assert sorted(lab.created("pods")) == ["digits-1-0", "digits-1-1"]


def test_the_last_allowed_restart_is_followed_by_failure(lab):
    job = lab.job(npus=1, runPolicy={"backoffLimit": 1})
    (pod,) = job.run()
    job.end(pod, 75, {"rank": 0, "reason": "Transient", "message": "connection reset"})
    (pod,) = job.run(attempt=2)
    job.end(pod, 1)
    status = job.wait_phase("Failed")
    assert job.condition("Failed")["reason"] == "BackoffLimitExceeded"
    assert "runPolicy.backoffLimit 1 is used up" in job.condition("Failed")["message"]
    assert (status["failure"]["attempt"], status["failure"]["exitCode"]) == (2, 1)
    assert [r["attempt"] for r in status["history"]] == [1, 2]


def test_without_a_back_off_limit_the_first_failure_is_the_last(lab):
    job = lab.job(npus=2, runPolicy={"backoffLimit": 0})
    pods = job.run()
    job.end(pods[1], 1)
    status = job.wait_phase("Failed")
    assert job.condition("Failed")["reason"] == "BackoffLimitExceeded"
    assert (status["attempt"], status["restarts"]) == (1, 0)
    assert status["failure"]["pod"] == "digits-1-1"


def test_disruptions_do_not_use_up_the_back_off_limit(lab):
    job = lab.job(npus=1, runPolicy={"backoffLimit": 0})
    job.run()
    lab.api.delete("pods", lab.namespace, "digits-1-0")
    job.run(attempt=2)


def test_a_job_succeeds_with_the_final_figures_of_rank_0(lab):
    job = lab.job(npus=2)
    pods = job.run()
    report = contract("termination-completed.json")
    job.end(pod_of_rank(job, pods, 1), 0, {**report, "rank": 1, "top1": 0.5})
    assert job.status["phase"] == "Running", "until every rank is done"
    job.end(pod_of_rank(job, pods, 0), 0, report)
    status = job.wait_phase("Succeeded")
    assert job.condition("Succeeded")["message"] == "all 2 ranks succeeded, step 300, top-1 0.987"
    progress = status["progress"]
    assert (progress["phase"], progress["step"]) == ("done", 300)
    assert (progress["loss"], progress["top1"], progress["top5"]) == (0.0612, 0.987, 1.0)
    assert (status["history"][0]["reason"], status["restarts"]) == ("Completed", 0)
    assert len(job.pods()) == 2, "finished pods keep their logs"


def test_a_finished_job_stays_finished_when_all_else_is_gone(lab):
    job = lab.job(npus=2)
    for pod in job.run():
        job.end(pod, 0)
    end = job.wait_phase("Succeeded")
    lab.operator.kill()
    lab.api.delete("pods", lab.namespace)
    lab.api.delete("configmaps", lab.namespace, "digits-1-rank-table")
    lab.operator.start()
    job.patch({"runPolicy": {"backoffLimit": 7}})
    # One that comes later in the same queue, done: the first was looked at before.
    lab.job("later", npus=1).run()
    assert job.status["phase"] == "Succeeded"
    assert job.status["completionTime"] == end["completionTime"]
    assert sorted(lab.created("pods")) == ["digits-1-0", "digits-1-1", "later-1-0"]
    assert job.pods() == []


def test_a_failed_job_stays_failed_whatever_is_done_to_it(lab):
    job = lab.job(npus=2, runPolicy={"backoffLimit": 0})
    pods = job.run()
    job.end(pods[1], 1)
    end = job.wait_phase("Failed")
    rules = [{"action": "Restart", "onExitCodes": {"operator": "In", "values": [1]}}]
    for edit in (
        {"backoffLimit": 9, "failurePolicy": {"rules": rules}},
        {"suspend": True},
        {"suspend": False, "activeDeadlineSeconds": 1},
    ):
        job.patch({"runPolicy": edit})
        generation = job.document["metadata"]["generation"]
        job.wait("takes note", lambda s, seen=generation: s["observedGeneration"] == seen)
    # The failed pod reports otherwise, and then is gone.
    lab.operator.kill()
    job.end(pods[1], 0)
    lab.operator.start()
    lab.api.delete("pods", lab.namespace)
    lab.api.delete("configmaps", lab.namespace, "digits-1-rank-table")
    lab.job("later", npus=1).run()
    status = job.status
    for field in ("phase", "completionTime", "failure", "history", "attempt"):
        assert status[field] == end[field]
    assert sorted(lab.created("pods")) == ["digits-1-0", "digits-1-1", "later-1-0"]


def test_a_job_that_is_kept_at_the_last_moment_is_kept(lab):
    job = lab.job(npus=1, runPolicy={"ttlSecondsAfterFinished": 3600})
    job.end(job.run()[0], 0)
    job.wait_phase("Succeeded")
    lab.operator.kill()
    for seconds in (2, None):
        job.patch({"runPolicy": {"ttlSecondsAfterFinished": seconds}})
    lab.operator.start()
    # One that ends later, with the same time to live, goes; so this one's time is over.
    other = lab.job("other", npus=1, runPolicy={"ttlSecondsAfterFinished": 2})
    other.end(other.run()[0], 0)
    wait_until("the other is gone", lambda: not lab.api.find(JOBS, lab.namespace, "other"))
    assert job.status["phase"] == "Succeeded"


def test_the_heir_of_a_job_that_was_deleted_in_time_is_not_deleted(lab):
    old = lab.job(npus=1, runPolicy={"ttlSecondsAfterFinished": 1})
    old.end(old.run()[0], 0)

    def heir():
        return None if lab.api.find(JOBS, lab.namespace, "digits") else lab.job(npus=1)

    job = wait_until("the name is free", heir)
    job.run()
    assert job.uid != old.uid
