"""Jobs that wait: for NPUs that are not there, and while they are suspended."""

import pytest

TOO_BIG = {"npus": 64, "npusPerPod": 8}
GANGS = {
    "without a gang the pods that fit are bound": (
        "None",
        "4 of 8 pods have no node (32 NPUs missing)",
        "0/4 nodes are available",
    ),
    "a gang waits whole": (
        "Native",
        "8 of 8 pods have no node (64 NPUs missing)",
        "minCount (8) cannot be satisfied",
    ),
}


@pytest.mark.parametrize("gang, missing, why", GANGS.values(), ids=GANGS)
def test_a_job_says_how_many_npus_are_missing_and_why(lab, gang, missing, why):
    job = lab.job(**TOO_BIG, scheduling={"gang": gang})

    def says(_):
        message = job.condition("Scheduled").get("message", "")
        return missing in message and why in message

    job.wait("says what is missing and why", says)
    condition = job.condition("Scheduled")
    assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")
    status = job.status
    assert (status["phase"], status["attempt"]) == ("Pending", 1)
    assert job.table() == {"status": "initializing"}


def test_a_job_that_waited_runs_when_npus_become_free(lab):
    big = lab.job("big", npus=32, npusPerPod=8)
    big.wait_bound(4)
    job = lab.job(npus=2)
    job.wait_condition("Scheduled", "False", "Unschedulable")
    big.delete()
    job.run()


def test_a_suspended_job_gives_its_pods_back_and_comes_again(lab):
    job = lab.job(npus=2, runPolicy={"suspend": True})
    job.wait_phase("Suspended")
    assert job.pods() == []
    job.patch({"runPolicy": {"suspend": False}})
    first = job.run()
    job.patch({"runPolicy": {"suspend": True}})
    job.wait_phase("Suspended")
    job.wait("has no pods", lambda _: not job.pods())
    assert job.table() == {"status": "initializing"}
    assert "rankTable" not in job.status
    job.patch({"runPolicy": {"suspend": False}})
    second = job.run()
    status = job.status
    assert (status["attempt"], status.get("restarts", 0)) == (1, 0)
    assert not {p["metadata"]["uid"] for p in first} & {p["metadata"]["uid"] for p in second}
    assert job.condition("Suspended")["status"] == "False"
