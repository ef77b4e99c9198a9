"""Build what the plugin writes to the API: annotations of pods and nodes, and chip health.

Pure; JSON without spaces, as Go writes it.
Source: Ascend/mind-cluster, ascend-device-plugin (v6.0 for the older form of
the pod's annotation, v26.1 for the newer).
"""

import hashlib
import json
from collections.abc import Mapping, Set
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Literal

from ascend_sim.chips import CHIPS, RESOURCE, device_name

CONFIGURATION = "ascend.kubectl.kubernetes.io/ascend-910-configuration"
ALLOCATED = "huawei.com/AscendReal"
ALLOCATED_BY_KUBELET = "huawei.com/kltDev"
NODE_DEVICES = "baseDeviceInfos"

NODE_LABELS = {
    "accelerator": "huawei-Ascend910",
    "accelerator-type": "module",
    "host-arch": "huawei-x86",
    "node.kubernetes.io/npu.chip.name": "910",
}

# By which others find the reports of chip health.
HEALTH_LABELS = {"mx-consumer-cim": "true"}

# What stands in `server_id`: the pod's UID since v7.3, the node's address before.
ServerId = Literal["pod-uid", "node-ip"]

_NO_SUPER_POD = -2


@dataclass(frozen=True)
class PodOnNode:
    """A pod that was given chips of this node."""

    name: str
    uid: str
    host_ip: IPv4Address


def build_pod_annotations(
    pod: PodOnNode, addresses: Mapping[int, str], server_id: ServerId
) -> dict[str, str]:
    """Return the annotations that tell which chips a pod was given.

    Args:
        pod: who was given them.
        addresses: the address of each chip, by chip id.
        server_id: the form, see above; `node-ip` is without `host_ip`.
    """
    names = ",".join(device_name(chip) for chip in sorted(addresses))
    build = _newer if server_id == "pod-uid" else _older
    return {
        CONFIGURATION: _json(build(pod, dict(sorted(addresses.items())))),
        ALLOCATED: names,
        ALLOCATED_BY_KUBELET: names,
    }


def build_node_annotations(addresses: Mapping[int, str]) -> dict[str, str]:
    """Return the node's own list of its chips' addresses."""
    chips = {
        device_name(chip): {"IP": address, "SuperDeviceID": 0}
        for chip, address in sorted(addresses.items())
    }
    return {NODE_DEVICES: _json(chips)}


def build_health_data(unhealthy: Set[int], update_time_s: int) -> dict[str, str]:
    """Return the data of the ConfigMap `mindx-dl-deviceinfo-<node>`.

    Args:
        unhealthy: ids of dead chips.
        update_time_s: Unix time of the report.
    """
    faults = [
        {
            "fault_type": "CardUnhealthy",
            "npu_name": device_name(chip),
            "fault_level": "SeparateNPU",
            "fault_code": "80E01801",
        }
        for chip in sorted(unhealthy)
    ]
    info = {
        "DeviceList": {
            RESOURCE: _names(set(CHIPS) - unhealthy),
            f"{RESOURCE}-Unhealthy": _names(unhealthy),
            f"{RESOURCE}-NetworkUnhealthy": "",
            f"{RESOURCE}-Fault": _json(faults),
        },
        "UpdateTime": update_time_s,
    }
    check = hashlib.sha256(_json(info).encode()).hexdigest()
    return {"DeviceInfoCfg": _json({"DeviceInfo": info, "CheckCode": check})}


def _newer(pod: PodOnNode, addresses: Mapping[int, str]) -> dict[str, Any]:
    devices = [
        {"device_id": str(chip), "device_ip": address, "super_device_id": "0"}
        for chip, address in addresses.items()
    ]
    return {
        "pod_name": pod.name,
        "server_id": pod.uid,
        "host_ip": str(pod.host_ip),
        "super_pod_id": _NO_SUPER_POD,
        "devices": devices,
        "rack_id": 0,
        "server_index": str(_NO_SUPER_POD),
        "server_ip": str(pod.host_ip),
    }


def _older(pod: PodOnNode, addresses: Mapping[int, str]) -> dict[str, Any]:
    devices = [
        {"device_id": str(chip), "device_ip": address} for chip, address in addresses.items()
    ]
    return {"pod_name": pod.name, "server_id": str(pod.host_ip), "devices": devices}


def _names(chips: Set[int]) -> str:
    return ",".join(device_name(chip) for chip in sorted(chips))


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
