"""A job is edited while it runs: ``runPolicy`` acts at once, all else is refused."""

import pytest
from operator_lab.api import RefusedError


def uids(pods):
    return [pod["metadata"]["uid"] for pod in pods]


FIXED = {
    "npus": 4,
    "image": "trainer:2",
    "dataset": {"path": "/other"},
    "training": {"trainSteps": 7},
    "scheduling": {"npusPerHost": 1},
    "podTemplate": {"metadata": {"labels": {"a": "b"}}},
    "runPolicy": {"managedBy": "example.com/somebody"},
}


def test_what_a_running_gang_was_built_from_cannot_be_changed(lab):
    job = lab.job(npus=2)
    pods = job.run()
    for field, value in FIXED.items():
        with pytest.raises(RefusedError, match="422") as refused:
            job.patch({field: value})
        assert field in str(refused.value)
    assert job.status["phase"] == "Running"
    assert uids(job.pods()) == uids(pods)


def test_the_run_policy_of_a_running_job_acts_at_once(lab):
    lowered = lab.job("lowered", npus=1, runPolicy={"backoffLimit": 5})
    raised = lab.job("raised", npus=1, runPolicy={"backoffLimit": 0})
    limited = lab.job("limited", npus=1)
    ruled = lab.job("ruled", npus=1, runPolicy={"backoffLimit": 0})
    kept = lab.job("kept", npus=1)
    pods = {job.name: job.run() for job in (lowered, raised, limited, ruled, kept)}
    lowered.patch({"runPolicy": {"backoffLimit": 0}})
    raised.patch({"runPolicy": {"backoffLimit": 1}})
    rules = [{"action": "RestartUncharged", "onExitCodes": {"operator": "In", "values": [9]}}]
    ruled.patch({"runPolicy": {"failurePolicy": {"rules": rules}}})
    limited.patch({"runPolicy": {"activeDeadlineSeconds": 1}})
    kept.patch({"runPolicy": {"backoffLimit": 9, "activeDeadlineSeconds": 3600}})
    for job in (lowered, raised):
        job.end(pods[job.name][0], 1)
    ruled.end(pods["ruled"][0], 9)

    assert lowered.wait_phase("Failed")["attempt"] == 1
    assert lowered.condition("Failed")["reason"] == "BackoffLimitExceeded"
    raised.run(attempt=2)
    assert raised.status["chargedRestarts"] == 1
    ruled.run(attempt=2)
    assert ruled.status["chargedRestarts"] == 0
    limited.wait_phase("Failed")
    assert limited.condition("Failed")["reason"] == "DeadlineExceeded"
    generation = kept.document["metadata"]["generation"]
    kept.wait("takes note", lambda status: status["observedGeneration"] == generation)
    assert kept.status["phase"] == "Running"
    assert uids(kept.pods()) == uids(pods["kept"])


def test_a_deadline_that_is_taken_away_in_time_does_not_act(lab):
    job = lab.job(npus=1)
    job.run()
    limit_s = int(job.age_s) + 10
    job.patch({"runPolicy": {"activeDeadlineSeconds": limit_s}})
    generation = job.document["metadata"]["generation"]
    job.wait("takes note", lambda status: status["observedGeneration"] == generation)
    job.patch({"runPolicy": {"activeDeadlineSeconds": None}})
    # Another with the same limit, and begun later, ends by it.
    other = lab.job("other", npus=1, runPolicy={"activeDeadlineSeconds": limit_s})
    other.wait_phase("Failed")
    assert job.status["phase"] == "Running"


def test_a_job_suspended_in_the_midst_of_a_restart_goes_on_with_that_attempt(lab):
    job = lab.job(npus=2)
    pods = job.run()
    job.end(pods[1], 137)
    job.wait("begins attempt 2", lambda status: status["attempt"] == 2)
    job.patch({"runPolicy": {"suspend": True}})
    job.wait_phase("Suspended")
    job.wait("has no pods", lambda _: not job.pods())
    job.patch({"runPolicy": {"suspend": False}})
    job.run(attempt=2)
    status = job.status
    assert (status["attempt"], status["restarts"], status["chargedRestarts"]) == (2, 1, 1)
