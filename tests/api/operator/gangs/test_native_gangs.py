"""Native gangs on the real scheduler: in one rack, in its words, or without the gate for racks."""

import pytest
from operator_lab.job import Job
from operator_lab.waiting import wait_until

RACK = "example.com/rack"
IN_ONE_RACK = {"gang": "Native", "topologyKey": RACK}


def occupy(lab, node):
    """Take all chips of a node, as a job of somebody else does."""
    container = {"name": "c", "image": "x", "resources": {"limits": {"huawei.com/Ascend910": "8"}}}
    spec = {"containers": [container], "nodeSelector": {"kubernetes.io/hostname": node}}
    lab.api.create("pods", lab.namespace, {"metadata": {"name": f"on-{node}"}, "spec": spec})

    def bound():
        return lab.api.get("pods", lab.namespace, f"on-{node}")["spec"].get("nodeName")

    wait_until(f"the chips of {node} are taken", bound)


def racks_of(lab, job):
    nodes = [p["spec"]["nodeName"] for p in job.pods()]
    return {lab.api.get("nodes", "", n)["metadata"]["labels"][RACK] for n in nodes}


@pytest.mark.parametrize("taken, rack", [("fake0", "b"), ("fake3", "a")])
def test_a_gang_takes_the_rack_that_holds_all_of_it(lab, taken, rack):
    occupy(lab, taken)
    job = lab.job(npus=16, npusPerPod=8, scheduling=IN_ONE_RACK)
    job.wait_bound(2)
    assert racks_of(lab, job) == {rack}
    group = lab.api.get("podgroups", lab.namespace, "digits-1")
    assert group["spec"]["schedulingConstraints"] == {"topology": [{"key": RACK}]}
    job.run()


def test_a_gang_that_no_rack_can_hold_waits_whole_and_says_why(lab):
    job = lab.job(npus=24, npusPerPod=8, scheduling=IN_ONE_RACK)
    words = job.wait_condition("Scheduled", "False", "Unschedulable")
    assert "3 of 3 pods have no node (24 NPUs missing): " in words

    def said_by_the_group():
        # The scheduler writes to the group after it has written to the pods.
        group = lab.api.get("podgroups", lab.namespace, "digits-1")
        for condition in group.get("status", {}).get("conditions", []):
            if condition["type"] == "PodGroupInitiallyScheduled":
                return condition["message"]
        return ""

    def repeats_the_group(_):
        words = said_by_the_group()
        return words and words in job.condition("Scheduled")["message"]

    job.wait("has the group's words", repeats_the_group)


def test_a_gang_that_comes_back_from_a_suspension_is_a_gang_again(lab):
    job = lab.job(npus=16, npusPerPod=8, scheduling={"gang": "Native"})
    job.run()
    first = lab.api.get("podgroups", lab.namespace, "digits-1")["metadata"]["uid"]
    job.patch({"runPolicy": {"suspend": True}})
    job.wait_phase("Suspended")
    job.wait("has no group", lambda _: not lab.api.list_all("podgroups", lab.namespace))
    for node in ("fake0", "fake1", "fake2"):
        occupy(lab, node)
    job.patch({"runPolicy": {"suspend": False}})
    words = job.wait_condition("Scheduled", "False", "Unschedulable")
    # One would fit: with the old group, which counts as placed, it would be bound alone.
    assert "2 of 2 pods have no node" in words
    assert lab.api.get("podgroups", lab.namespace, "digits-1")["metadata"]["uid"] != first
    for node in ("fake0", "fake1", "fake2"):
        lab.api.delete("pods", lab.namespace, f"on-{node}")
    job.run()
    assert job.status["attempt"] == 1


def test_where_the_gate_for_racks_is_off_the_condition_names_it(alone):
    _, api = alone(feature_gates="GenericWorkload=true")
    job = Job(api, "default", "digits", {"npus": 2, "scheduling": IN_ONE_RACK}).create()
    words = job.wait_condition("Created", "False", "TopologyGateOff")
    assert "TopologyAwareWorkloadScheduling" in words
    assert job.pods() == []
