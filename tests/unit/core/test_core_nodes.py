"""What is kept of a node, and how its loss is told."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from efficientnet_operator.core.nodes import NodeLoss, NodeView, parse_node
from hypothesis import given
from hypothesis import strategies as st

INFOS = '{"Ascend910-0":{"IP":"192.168.100.1"}}'
SINCE = datetime(2026, 1, 1, 12, tzinfo=UTC)


def node(ready="True", **fields):
    condition = {
        "type": "Ready",
        "status": ready,
        "reason": "NodeStatusUnknown",
        "message": "Kubelet stopped posting node status.",
        "lastTransitionTime": "2026-01-01T12:00:00Z",
        **fields,
    }
    return {
        "metadata": {
            "name": "n1",
            "labels": {"rack": "r1"},
            "annotations": {"baseDeviceInfos": INFOS, "other": "x"},
            "resourceVersion": "7",
        },
        "status": {
            "conditions": [{"type": "DiskPressure", "status": "True"}, condition],
            "images": [{"names": ["a"]}],
        },
    }


WELL = NodeView("n1", {"rack": "r1"}, INFOS)
WORDS = "NodeStatusUnknown: Kubelet stopped posting node status."
VIEWS = {
    "a node that is Ready": (node(), WELL),
    "one whose kubelet says no": (
        node("False", reason="KubeletNotReady", message="runtime down"),
        NodeView("n1", {"rack": "r1"}, INFOS, False, SINCE, "KubeletNotReady: runtime down"),
    ),
    "one that is silent": (
        node("Unknown"),
        NodeView("n1", {"rack": "r1"}, INFOS, False, SINCE, WORDS),
    ),
    "one without a time or a reason": (
        node("False", lastTransitionTime=None, reason=None, message=None),
        NodeView("n1", {"rack": "r1"}, INFOS, False),
    ),
    "one that has no condition yet": ({"metadata": {"name": "n1"}}, NodeView("n1")),
    "an empty object": ({}, NodeView("")),
}


@pytest.mark.parametrize("document, want", VIEWS.values(), ids=VIEWS)
def test_parse_node(document, want):
    assert parse_node(document) == want


@given(beats=st.dictionaries(st.sampled_from(["lastHeartbeatTime", "x"]), st.text(), max_size=2))
def test_a_heartbeat_is_no_change(beats):
    beaten = node(**beats)
    beaten["metadata"]["resourceVersion"] = "8"
    assert parse_node(beaten) == WELL


def test_addresses_are_read_when_they_are_asked_for():
    assert parse_node(node()).facts.device_ips == {0: "192.168.100.1"}
    assert parse_node({}).facts.device_ips == {}


CLAUSES = {
    "since a time": (
        NodeLoss(61, SINCE, WORDS),
        f"node n1 is not Ready since 2026-01-01T12:00:00Z ({WORDS})",
    ),
    "since a time of another zone": (
        NodeLoss(61, SINCE.astimezone(timezone(timedelta(hours=8)))),
        "node n1 is not Ready since 2026-01-01T12:00:00Z",
    ),
    "for some seconds": (NodeLoss(61.4), "node n1 is not Ready for 61 s"),
    "gone": (NodeLoss(61, gone=True), "node n1 does not exist any more"),
}


@pytest.mark.parametrize("loss, want", CLAUSES.values(), ids=CLAUSES)
def test_the_loss_is_told(loss, want):
    assert loss.describe("n1") == want


def test_a_minute_makes_it_lost():
    assert NodeLoss(59.9).left_s > 0
    assert NodeLoss(60).left_s <= 0
