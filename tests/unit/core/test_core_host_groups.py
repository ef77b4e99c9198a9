"""Host groups that got stuck are given back and tried on other hosts."""

import json
from datetime import timedelta

import pytest
from core_builders import Cluster, a_job, failed
from efficientnet_operator.core.resources import CONFIG_MAP


def a_stuck_job():
    """Return a job whose first host has room for one pod of two."""
    cluster = Cluster(a_job(4, scheduling={"npusPerHost": 2}))
    cluster.settle()
    for index, node in ((0, "small"), (2, "large"), (3, "large")):
        cluster.change(f"b0-1-{index}", node=node, bound_since=cluster.now)
    cluster.change("b0-1-1", unschedulable="no room", unschedulable_since=cluster.now)
    return cluster


def test_a_host_without_room_for_its_group_is_given_back_after_ten_seconds():
    cluster = a_stuck_job()
    plan = cluster.turn(9)
    assert (plan.deletes, plan.requeue_s) == ((), 2)
    plan = cluster.turn(1)
    assert plan.status_first
    assert [d.name for d in plan.deletes] == ["b0-1-0", "b0-1-1"]
    assert cluster.condition("Created") == ("False", "GivenBack")
    assert "HostGroupGivenBack" in [e.reason for e in plan.events]
    annotations = cluster.config_maps["b0-1-rank-table"]["metadata"]["annotations"]
    assert json.loads(annotations["efficientnet.dev/excluded-hosts"]) == {"0": ["small"]}


def test_all_groups_that_are_stuck_are_given_back_at_once_and_named():
    cluster = a_stuck_job()
    cluster.change("b0-1-3", node="", bound_since=None, unschedulable="no room",
                   unschedulable_since=cluster.now)  # fmt: skip
    plan = cluster.turn(10)
    assert sorted(d.name for d in plan.deletes) == [f"b0-1-{i}" for i in range(4)]
    names = "b0-1-0, b0-1-1, b0-1-2 and 1 more"
    assert cluster.message("Created") == f"no room for the mates of: {names}"
    assert [e.message for e in plan.events if e.reason == "HostGroupGivenBack"] == [
        f'trying other hosts for {names}; excluded: {{"0": ["small"], "1": ["large"]}}'
    ]
    (patch,) = plan.patches
    assert patch.resource is CONFIG_MAP
    cluster.collect()
    cluster.settle()
    for name in cluster.pods:
        cluster.change(name, unschedulable="no room", unschedulable_since=cluster.now)
    assert len(cluster.turn(60).deletes) == 4  # no host at all: both forget theirs


def test_pods_that_were_given_back_go_first_and_then_avoid_the_host():
    cluster = a_stuck_job()
    cluster.turn(10)
    del cluster.pods["b0-1-1"]  # it had no node, so it goes at once
    assert cluster.turn().pods == ()
    assert cluster.condition("Created") == ("False", "WaitingForPods")
    want = "1 pods that were given back still exist: b0-1-0"
    assert cluster.message("Created") == want
    cluster.pods["b0-1-0"] = failed(cluster.pods["b0-1-0"], 143)
    assert cluster.turn(1).pods == ()
    cluster.collect()
    plan = cluster.turn()
    assert [p["metadata"]["name"] for p in plan.pods] == ["b0-1-0", "b0-1-1"]
    for pod in plan.pods:
        (term,) = pod["spec"]["affinity"]["nodeAffinity"][
            "requiredDuringSchedulingIgnoredDuringExecution"
        ]["nodeSelectorTerms"]
        assert term["matchFields"][0]["values"] == ["small"]
    cluster.run()
    assert (cluster.status["attempt"], cluster.status["restarts"]) == (1, 0)


def test_waiting_before_a_mate_was_bound_does_not_count():
    cluster = a_stuck_job()
    cluster.change("b0-1-1", unschedulable_since=cluster.now - timedelta(minutes=5))
    assert cluster.turn(1).deletes == ()
    assert [d.name for d in cluster.turn(9).deletes] == ["b0-1-0", "b0-1-1"]


def test_a_group_that_finds_no_host_at_all_tries_the_excluded_ones_again():
    cluster = a_stuck_job()
    cluster.turn(10)
    cluster.collect()
    cluster.settle()
    for index in (0, 1):
        name = f"b0-1-{index}"
        cluster.change(name, unschedulable="no room", unschedulable_since=cluster.now)
    assert cluster.turn(59).deletes == ()
    assert [d.name for d in cluster.turn(1).deletes] == ["b0-1-0", "b0-1-1"]
    cluster.collect()
    plan = cluster.turn()
    assert all("nodeAffinity" not in p["spec"]["affinity"] for p in plan.pods)


def test_a_cpu_job_has_no_groups_to_give_back():
    cluster = Cluster(a_job(2, accelerator="CPU"))
    cluster.settle()
    cluster.change("b0-1-0", node="small")
    cluster.change("b0-1-1", unschedulable="no room", unschedulable_since=cluster.now)
    assert cluster.turn(60).deletes == ()


@pytest.mark.parametrize("text", ["{", "[]", '{"x":[]}', '{"0":7}'])
def test_excluded_hosts_that_cannot_be_read_are_none(text):
    cluster = a_stuck_job()
    metadata = cluster.config_maps["b0-1-rank-table"]["metadata"]
    metadata["annotations"] = {"efficientnet.dev/excluded-hosts": text}
    del cluster.pods["b0-1-1"]
    cluster.job["status"]["conditions"] = []
    (pod,) = cluster.turn().pods
    assert "nodeAffinity" not in pod["spec"]["affinity"]
