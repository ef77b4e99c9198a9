"""What the simulated plugin writes: the forms of facts that the operator has to read."""

import hashlib
import json
from ipaddress import IPv4Address

import pytest
from ascend_sim.annotations import (
    CONFIGURATION,
    PodOnNode,
    build_health_data,
    build_node_annotations,
    build_pod_annotations,
)

POD = PodOnNode("b0-1-0", "5d3c0d4e-2f0a-4f5b-9d52-0d6b5f3a1c11", IPv4Address("10.200.0.10"))

FORMS = {
    "since v7.3 the server is the pod, the host has a field": (
        "pod-uid",
        '{"pod_name":"b0-1-0","server_id":"5d3c0d4e-2f0a-4f5b-9d52-0d6b5f3a1c11",'
        '"host_ip":"10.200.0.10","super_pod_id":-2,"devices":['
        '{"device_id":"2","device_ip":"192.168.102.10","super_device_id":"0"},'
        '{"device_id":"3","device_ip":"-1","super_device_id":"0"}],'
        '"rack_id":0,"server_index":"-2","server_ip":"10.200.0.10"}',
    ),
    "before, the server is the host": (
        "node-ip",
        '{"pod_name":"b0-1-0","server_id":"10.200.0.10","devices":['
        '{"device_id":"2","device_ip":"192.168.102.10"},'
        '{"device_id":"3","device_ip":"-1"}]}',
    ),
}


@pytest.mark.parametrize(("server_id", "want"), FORMS.values(), ids=FORMS)
def test_pod_annotation(server_id, want):
    addresses = {3: "-1", 2: "192.168.102.10"}  # any order
    got = build_pod_annotations(POD, addresses, server_id)
    assert got == {
        CONFIGURATION: want,
        "huawei.com/AscendReal": "Ascend910-2,Ascend910-3",
        "huawei.com/kltDev": "Ascend910-2,Ascend910-3",
    }


def test_node_annotation():
    got = build_node_annotations({1: "192.168.101.10", 0: "192.168.100.10"})
    assert got == {
        "baseDeviceInfos": '{"Ascend910-0":{"IP":"192.168.100.10","SuperDeviceID":0},'
        '"Ascend910-1":{"IP":"192.168.101.10","SuperDeviceID":0}}'
    }


def test_health_lists_a_dead_chip_apart_from_the_living():
    data = json.loads(build_health_data({3}, 1_795_000_000)["DeviceInfoCfg"])
    devices = data["DeviceInfo"]["DeviceList"]
    living = "Ascend910-0,Ascend910-1,Ascend910-2,Ascend910-4,Ascend910-5,Ascend910-6,Ascend910-7"
    assert devices["huawei.com/Ascend910"] == living
    assert devices["huawei.com/Ascend910-Unhealthy"] == "Ascend910-3"
    assert json.loads(devices["huawei.com/Ascend910-Fault"]) == [
        {
            "fault_type": "CardUnhealthy",
            "npu_name": "Ascend910-3",
            "fault_level": "SeparateNPU",
            "fault_code": "80E01801",
        }
    ]
    assert data["DeviceInfo"]["UpdateTime"] == 1_795_000_000


def test_health_without_a_dead_chip_has_no_fault_and_a_check_code():
    data = json.loads(build_health_data(set(), 1)["DeviceInfoCfg"])
    assert data["DeviceInfo"]["DeviceList"]["huawei.com/Ascend910-Fault"] == "[]"
    info = json.dumps(data["DeviceInfo"], separators=(",", ":"))
    assert data["CheckCode"] == hashlib.sha256(info.encode()).hexdigest()
