"""What a job says while NPUs are missing or allocations cannot be published."""

import json
from dataclasses import replace

import pytest
from core_builders import (
    DEVICES,
    Cluster,
    a_job,
    devices_annotation,
)
from efficientnet_operator.core.allocations import NodeFacts
from efficientnet_operator.core.reconcile import reconcile


def two_hosts(**spec):
    return Cluster(a_job(4, scheduling={"npusPerHost": 2}, **spec))


def test_the_missing_and_the_why_are_told_while_pods_have_no_node():
    cluster = two_hosts()
    cluster.settle()
    assert cluster.condition("Scheduled") == ("False", "Pending")
    cluster.change(
        "b0-1-1", unschedulable="0/2 nodes are available", unschedulable_since=cluster.now
    )
    cluster.turn()
    assert cluster.condition("Scheduled") == ("False", "Unschedulable")
    want = "4 of 4 pods have no node (4 NPUs missing): b0-1-1: 0/2 nodes are available"
    assert cluster.message("Scheduled") == want
    assert cluster.status["phase"] == "Pending"


def test_allocations_that_are_missing_are_counted():
    cluster = two_hosts()
    cluster.settle()
    cluster.bind()
    cluster.change("b0-1-1", annotations={})
    cluster.change("b0-1-2", host_ip="")  # annotated by a scheduler, before a kubelet has it
    cluster.turn()
    assert cluster.condition("Allocated") == ("False", "WaitingForAllocation")
    assert cluster.message("Allocated") == "2/4 NPUs allocated; waiting for pod b0-1-1, b0-1-2"
    assert cluster.status["npus"] == {"total": 4, "allocated": 2}


REFUSED = {
    "an annotation that is no JSON": ({DEVICES: "{"}, "InvalidAnnotation", "b0-1-1"),
    "an address that is unknown": (
        devices_annotation("10.0.0.1", (1, "-1")),
        "DeviceIPUnknown",
        "pod b0-1-1 on 10.0.0.1, device 1",
    ),
    "a device in two pods": (
        devices_annotation("10.0.0.1", (0, "192.168.9.9")),
        "DuplicateDevice",
        "b0-1-0, b0-1-1",
    ),
    "two rings": (devices_annotation("10.0.0.1", (4, "192.168.9.9")), "UnevenAllocation", "0, 4"),
    "another host": (
        devices_annotation("10.0.0.9", (4, "192.168.9.9")),
        "UnevenAllocation",
        "10.0.0.9 has 1",
    ),
}


@pytest.mark.parametrize("annotations, reason, words", REFUSED.values(), ids=REFUSED)
def test_what_hccl_would_refuse_is_never_published(annotations, reason, words):
    cluster = two_hosts()
    cluster.settle()
    cluster.bind()
    good = cluster.pods["b0-1-1"].annotations
    cluster.change("b0-1-1", annotations=annotations)
    plan = cluster.turn()
    assert plan.patches == ()
    assert plan.requeue_s
    assert cluster.condition("Allocated") == ("False", reason)
    assert words in cluster.message("Allocated")
    assert plan.waits_for == f"allocations that HCCL accepts: {cluster.message('Allocated')}"
    assert cluster.condition("Running") is None
    assert [e.type for e in plan.events if e.reason == reason] == ["Warning"]
    cluster.change("b0-1-1", annotations=good)
    cluster.turn()
    assert cluster.condition("Allocated") == ("True", "RankTablePublished")


def test_an_unknown_address_is_taken_from_the_node():
    cluster = two_hosts()
    cluster.settle()
    cluster.bind()
    cluster.change("b0-1-1", annotations=devices_annotation("10.0.0.1", (1, "-1")))
    cluster.nodes = {"node-0": NodeFacts({1: "192.168.1.77"})}
    cluster.turn()
    assert "192.168.1.77" in cluster.config_maps["b0-1-rank-table"]["data"]["hccl.json"]


def where_nodes_cannot_be_read(chip):
    cluster = two_hosts()
    cluster.settle()
    cluster.bind()
    cluster.change("b0-1-1", annotations=devices_annotation("10.0.0.1", chip))
    view = replace(cluster.view(), node_source="nodes cannot be read (403)")
    cluster.execute(reconcile(view, cluster.now))
    return cluster


def test_an_unknown_address_says_that_nodes_could_not_be_asked():
    cluster = where_nodes_cannot_be_read((1, "-1"))
    message = cluster.message("Allocated")
    assert message.startswith("pod b0-1-1 on 10.0.0.1, device 1: device_ip is '-1'")
    assert message.endswith("; nodes were not asked: nodes cannot be read (403)")


def test_that_nodes_could_not_be_asked_explains_nothing_else():
    cluster = where_nodes_cannot_be_read((0, "192.168.9.9"))
    assert cluster.condition("Allocated") == ("False", "DuplicateDevice")
    assert "nodes were not asked" not in cluster.message("Allocated")


def test_hosts_follow_the_topology_key():
    cluster = Cluster(a_job(2, scheduling={"npusPerHost": 1, "topologyKey": "rack"}))
    cluster.settle()
    cluster.bind(per_host=1)
    cluster.nodes = {
        "node-0": NodeFacts(labels={"rack": "r2"}),
        "node-1": NodeFacts(labels={"rack": "r1"}),
    }
    cluster.turn()
    table = json.loads(cluster.config_maps["b0-1-rank-table"]["data"]["hccl.json"])
    assert [s["server_id"] for s in table["server_list"]] == ["10.0.0.2", "10.0.0.1"]


def test_a_table_that_no_config_map_holds_is_refused():
    long_name = {"name": "n" * 40}
    cluster = Cluster(a_job(8192, npusPerPod=8, accelerator="CPU", metadata=long_name))
    cluster.settle()
    cluster.bind(per_host=1)
    plan = cluster.turn()
    assert plan.patches == ()
    assert cluster.condition("Allocated") == ("False", "RankTableTooLarge")
    first, _, size = cluster.message("Allocated").partition(" take ")
    assert first == "hccl.json and peers.json of 8192 ranks"
    bytes_, _, rest = size.partition(" bytes, ")
    assert int(bytes_) > 1048576
    assert rest == (
        "a ConfigMap holds 1048576; lower spec.npus, or shorten the job's name, which stands once "
        "in each rank's entry"
    )


def test_cpu_pods_need_only_addresses():
    cluster = Cluster(a_job(2, accelerator="CPU"))
    cluster.settle()
    for index in range(2):
        cluster.change(f"b0-1-{index}", node="n", host_ip="10.0.0.1")
    cluster.turn()
    assert cluster.condition("Allocated") == ("False", "WaitingForAllocation")
    for index in range(2):
        cluster.change(f"b0-1-{index}", pod_ip=f"10.1.0.{index}")
    cluster.turn()
    assert cluster.condition("Allocated") == ("True", "RankTablePublished")
