"""Jobs that wait: for NPUs that are not there, and while they are suspended."""

import pytest
from operator_lab.waiting import wait_until

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
    job.wait("takes its table back", lambda _: job.table() == {"status": "initializing"})
    assert "rankTable" not in job.status
    job.patch({"runPolicy": {"suspend": False}})
    second = job.run()
    status = job.status
    assert (status["attempt"], status.get("restarts", 0)) == (1, 0)
    assert not {p["metadata"]["uid"] for p in first} & {p["metadata"]["uid"] for p in second}
    assert job.condition("Suspended")["status"] == "False"


def test_a_host_without_room_for_the_mates_is_given_back(lab):
    for number, npus in enumerate((7, 8, 8, 8)):
        occupy(lab, f"fake{number}", npus)
    job = lab.job(npus=2)

    def one_is_bound(_):
        return [bool(p["spec"].get("nodeName")) for p in job.pods()].count(True) == 1

    job.wait("has one pod where there is room for one", one_is_bound)
    lab.api.delete("pods", lab.namespace, "occupies-fake1")
    job.wait("is on the host with room", lambda _: nodes_of(job) == ["fake1", "fake1"])
    job.run()
    status = job.status
    assert (status["attempt"], status["restarts"]) == (1, 0)
    lab.wait_event(job, "HostGroupGivenBack", "Normal")
    annotations = job.config_map()["metadata"]["annotations"]
    assert annotations["efficientnet.dev/excluded-hosts"] == '{"0": ["fake0"]}'


def nodes_of(job):
    return [pod["spec"].get("nodeName") for pod in job.pods()]


def occupy(lab, node, npus):
    """Take chips of a node, as a job of somebody else does."""
    limits = {"huawei.com/Ascend910": str(npus)}
    container = {"name": "c", "image": "none", "resources": {"limits": limits}}
    metadata = {"name": f"occupies-{node}"}
    spec = {"containers": [container], "nodeSelector": {"kubernetes.io/hostname": node}}
    lab.api.create("pods", lab.namespace, {"metadata": metadata, "spec": spec})

    def bound():
        return lab.api.get("pods", lab.namespace, f"occupies-{node}")["spec"].get("nodeName")

    wait_until(f"{npus} chips of {node} are taken", bound)
