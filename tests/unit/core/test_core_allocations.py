"""Allocations are read from both forms of the plugin's annotation, and from no nonsense."""

import json

import pytest
from core_builders import DEVICES, OLD_DEVICES, a_pod, devices_annotation
from efficientnet_operator.core.allocations import (
    Allocation,
    Device,
    NodeFacts,
    Violation,
    assign_cpu_allocations,
    parse_allocation,
    parse_base_device_infos,
)
from hypothesis import given
from hypothesis import strategies as st

POD_UID = "0c9f3f57-6f0b-4a51-8f0e-0a6d6b6f1c11"
ONE_CHIP = [{"device_id": "3", "device_ip": "192.168.3.1"}]


def annotated(document, key=DEVICES, **fields):
    text = document if isinstance(document, str) else json.dumps(document)
    return a_pod(annotations={key: text}, **fields)


FORMS = {
    "from v7.3: a pod UID as server, host_ip beside it": annotated(
        {"server_id": POD_UID, "host_ip": "10.0.0.1", "devices": ONE_CHIP}
    ),
    "up to v7.2: the node's address as server": annotated(
        {"server_id": "10.0.0.1", "devices": ONE_CHIP}
    ),
    "20.1: the older key": annotated({"server_id": "10.0.0.1", "devices": ONE_CHIP}, OLD_DEVICES),
    "no address at all: the pod's own host": annotated(
        {"server_id": POD_UID, "devices": ONE_CHIP}, host_ip="10.0.0.1"
    ),
    "host_ip is no address": annotated(
        {"server_id": "10.0.0.1", "host_ip": "unknown", "devices": ONE_CHIP}, host_ip="10.9.9.9"
    ),
    "numbers where the plugin writes strings": annotated(
        {"server_id": "10.0.0.1", "devices": [{"device_id": 3, "device_ip": "192.168.3.1"}]}
    ),
    "unknown fields": annotated(
        {
            "server_id": "10.0.0.1",
            "rack_id": 0,
            "new": [{}],
            "devices": [{**ONE_CHIP[0], "super_device_id": "0", "new": None}],
        }
    ),
}


@pytest.mark.parametrize("pod", FORMS.values(), ids=FORMS)
def test_each_form_gives_host_and_devices(pod):
    found = parse_allocation(pod)
    assert (found.host, found.devices) == ("10.0.0.1", (Device(3, "192.168.3.1"),))
    assert (found.pod, found.pod_uid) == (pod.name, pod.uid)


NOT_YET = {
    "no annotation": a_pod(),
    "another annotation": a_pod(annotations={"other": "{"}),
    "no devices yet": annotated({"server_id": "10.0.0.1", "devices": []}),
}


@pytest.mark.parametrize("pod", NOT_YET.values(), ids=NOT_YET)
def test_an_allocation_may_not_be_there_yet(pod):
    assert parse_allocation(pod) is None


def test_devices_are_ordered_by_id():
    pairs = [(10, "192.168.10.1"), (2, "192.168.2.1")]
    found = parse_allocation(a_pod(annotations=devices_annotation("10.0.0.1", *pairs)))
    assert [d.device_id for d in found.devices] == [2, 10]


WRONG = {
    "no JSON": ("{", "Expecting"),
    "nothing": ("", "Expecting"),
    "a list": ([], "not a JSON object"),
    "a number": ("7", "not a JSON object"),
    "no devices": ({}, "devices is 'None', not a list"),
    "devices of a wrong type": ({"devices": {"a": 1}}, "not a list"),
    "a device of a wrong type": ({"devices": [3]}, "devices[0] is not an object"),
    "a device without an id": ({"devices": [{}]}, "devices[0].device_id is '', not a number"),
    "a device id in words": (
        {"devices": [*ONE_CHIP, {"device_id": "three"}]},
        "devices[1].device_id is 'three'",
    ),
    "a negative device id": ({"devices": [{"device_id": -3}]}, "'-3', not a number"),
    "a device id in other digits": ({"devices": [{"device_id": "٣"}]}, "not a number"),
    "a device id of a thousand digits": ({"devices": [{"device_id": "1" * 5000}]}, "111..."),
    "a number of a thousand digits": ('{"x": 1' + "0" * 5000 + "}", "digits"),
    "endless nesting": ("[" * 100_000, "recursion"),
}


@pytest.mark.parametrize("document, words", WRONG.values(), ids=WRONG)
def test_an_annotation_that_cannot_be_read_is_a_violation(document, words):
    violation = parse_allocation(annotated(document, OLD_DEVICES))
    assert violation.reason == "InvalidAnnotation"
    assert f"pod b0-1-0: annotation {OLD_DEVICES} is " in violation.message
    assert words in violation.message
    assert len(violation.message) < 700


def test_a_host_that_nobody_tells_is_a_violation():
    violation = parse_allocation(annotated({"server_id": POD_UID, "devices": ONE_CHIP}))
    assert violation.reason == "HostIPUnknown"
    assert "pod b0-1-0" in violation.message


NODE = NodeFacts({3: "192.168.3.9"}, {"example.com/rack": "r7"})
ADDRESSES = {
    "the annotation's own wins": ("192.168.3.1", NODE, "192.168.3.1"),
    "-1 is looked up at the node": ("-1", NODE, "192.168.3.9"),
    "a missing one too": (None, NODE, "192.168.3.9"),
    "-1 stays where the node does not know the chip": ("-1", NodeFacts(), "-1"),
    "-1 stays where the node cannot be read": ("-1", None, "-1"),
}


@pytest.mark.parametrize("written, node, want", ADDRESSES.values(), ids=ADDRESSES)
def test_addresses(written, node, want):
    document = {"host_ip": "10.0.0.1", "devices": [{"device_id": "3", "device_ip": written}]}
    assert parse_allocation(annotated(document), node).devices == (Device(3, want),)


def test_the_topology_value_is_the_nodes_label():
    pod = a_pod(annotations=devices_annotation("10.0.0.1", (0, "192.168.0.1")))
    assert parse_allocation(pod, NODE, "example.com/rack").topology == "r7"
    assert parse_allocation(pod, NODE, "other").topology == ""
    assert parse_allocation(pod, NODE).topology == ""
    assert parse_allocation(pod, None, "example.com/rack").topology == ""


INFOS = {
    "as the plugin writes it": (
        '{"Ascend910-0":{"IP":"192.168.0.1","SuperDeviceID":0},"Ascend910-12":{"IP":"192.168.1.1"}}',
        {0: "192.168.0.1", 12: "192.168.1.1"},
    ),
    "one bad entry does not spoil the others": (
        '{"Ascend910-0":{"IP":"192.168.0.1"},"x":{"IP":"y"},"Ascend910-1":null,"Ascend910-2":{}}',
        {0: "192.168.0.1"},
    ),
    "no JSON": ("{", {}),
    "absent": ("", {}),
    "a list": ('["Ascend910-0"]', {}),
    "endless nesting": ("[" * 100_000, {}),
}


@pytest.mark.parametrize("annotation, want", INFOS.values(), ids=INFOS)
def test_parse_base_device_infos(annotation, want):
    assert parse_base_device_infos(annotation) == want


def test_cpu_pods_count_their_devices_on_each_host_by_index():
    pods = [
        a_pod(2, host_ip="10.0.0.1", pod_ip="10.1.0.3"),
        a_pod(0, host_ip="10.0.0.1", pod_ip="10.1.0.1"),
        a_pod(1, host_ip="10.0.0.2", pod_ip="10.1.1.1"),
    ]
    found = {
        a.pod: [(d.device_id, d.device_ip) for d in a.devices]
        for a in assign_cpu_allocations(pods, 2)
    }
    assert found == {
        "b0-1-0": [(0, "10.1.0.1"), (1, "10.1.0.1")],
        "b0-1-1": [(0, "10.1.1.1"), (1, "10.1.1.1")],
        "b0-1-2": [(2, "10.1.0.3"), (3, "10.1.0.3")],
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
)
DEVICE = st.fixed_dictionaries(
    {}, optional={"device_id": JSON | st.integers(0, 16).map(str), "device_ip": JSON}
)
DOCUMENT = st.fixed_dictionaries(
    {},
    optional={
        "server_id": JSON,
        "host_ip": JSON | st.just("10.0.0.1"),
        "devices": JSON | st.lists(DEVICE, max_size=9),
    },
)


@given(text=st.text() | JSON.map(json.dumps) | DOCUMENT.map(json.dumps))
def test_no_annotation_raises(text):
    found = parse_allocation(annotated(text), NODE, "example.com/rack")
    assert found is None or isinstance(found, Allocation | Violation)
    if isinstance(found, Violation):
        assert "b0-1-0" in found.message


@given(text=st.text() | JSON.map(json.dumps))
def test_no_node_annotation_raises(text):
    found = parse_base_device_infos(text)
    assert all(isinstance(k, int) and isinstance(v, str) for k, v in found.items())
