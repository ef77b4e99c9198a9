"""Read which NPUs a pod was given from what the Ascend device plugin wrote on it.

The plugin annotates a running pod some seconds after its admission; until then
the pod has no allocation yet, which is no fault. What is there but cannot be
used is a ``Violation`` that names pod and value. Pure; ``rank_table`` checks
the set and numbers it.

Source: Ascend/mind-cluster device plugin, annotation
``ascend.kubectl.kubernetes.io/ascend-910-configuration`` (up to v7.2 server_id
is the node's address; from v7.3 it is the pod's UID, beside ``host_ip``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from efficientnet_operator.core.pod_view import PodView

DEVICE_ANNOTATIONS = (
    "ascend.kubectl.kubernetes.io/ascend-910-configuration",
    "atlas.kubectl.kubernetes.io/ascend-910-configuration",  # plugin 20.1
)
UNKNOWN_IP = "-1"
"""What the plugin writes where it could not read a device's address."""


@dataclass(frozen=True, slots=True)
class Violation:
    """Why a rank table is not published: a condition reason and a message for people."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, order=True)
class Device:
    """One NPU: its physical id on the host and the address of its RoCE port."""

    device_id: int
    device_ip: str


@dataclass(frozen=True, slots=True)
class Allocation:
    """The devices of one pod, by device id.

    Attributes:
        host: address of the host, by which pods of one host are merged.
        topology: value of the job's topology key on the node; "" where unset.
        index: the pod's replica index; orders CPU pods, which have no devices.
    """

    pod: str
    pod_uid: str
    pod_ip: str
    host: str
    node: str
    devices: tuple[Device, ...]
    topology: str = ""
    index: int = 0


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What is known of a node beside its pods.

    Attributes:
        device_ips: device id to address, from the node annotation ``baseDeviceInfos``.
        labels: the node's labels; the topology key is looked up here.
    """

    device_ips: Mapping[int, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


def parse_base_device_infos(annotation: str) -> dict[int, str]:
    """Return device id to address from a node's ``baseDeviceInfos``; {} where it is unreadable.

    It is a second source only: what it lacks is reported where it is missed.
    """
    try:
        infos = json.loads(annotation)
    except (ValueError, RecursionError):
        return {}
    addresses = {}
    for name, info in infos.items() if isinstance(infos, dict) else ():
        device_id = name.rpartition("-")[2]
        address = info.get("IP") if isinstance(info, dict) else None
        if _is_device_id(device_id) and isinstance(address, str) and address:
            addresses[int(device_id)] = address
    return addresses


def parse_allocation(
    pod: PodView, node: NodeFacts | None = None, topology_key: str = ""
) -> Allocation | Violation | None:
    """Return the pod's allocation, why it cannot be used, or None while there is none yet.

    Args:
        pod: the pod; needs annotations, and ``host_ip`` where the annotation has no address.
        node: facts of its node, for addresses that the annotation lacks.
        topology_key: node label that orders ranks; "" for none.
    """
    key = next((k for k in DEVICE_ANNOTATIONS if k in pod.annotations), None)
    if key is None:
        return None
    text = pod.annotations[key]
    try:
        found = _parse_configuration(text)
    except (ValueError, RecursionError) as error:
        return Violation(
            "InvalidAnnotation",
            f"pod {pod.name}: annotation {key} is {_shorten(text)!r}: {error}; "
            "want the device plugin's JSON with devices[].device_id and device_ip",
        )
    if not found.devices:
        return None
    host = found.host or (pod.host_ip if is_address(pod.host_ip) else "")
    if not host:
        return Violation(
            "HostIPUnknown",
            f"pod {pod.name}: neither its annotation nor status.hostIP tells the host's address",
        )
    known = node.device_ips if node else {}
    resolved = tuple(
        sorted(
            device if device.device_ip != UNKNOWN_IP else Device(i, known.get(i, UNKNOWN_IP))
            for device in found.devices
            for i in (device.device_id,)
        )
    )
    return Allocation(
        pod=pod.name,
        pod_uid=pod.uid,
        pod_ip=pod.pod_ip,
        host=host,
        node=pod.node,
        devices=resolved,
        topology=node.labels.get(topology_key, "") if node and topology_key else "",
        index=pod.index,
    )


@dataclass(frozen=True, slots=True)
class _Configuration:
    """What one annotation says; ``host`` is "" where it holds no address of the host."""

    host: str
    devices: tuple[Device, ...]


@lru_cache(maxsize=16_384)
def _parse_configuration(text: str) -> _Configuration:
    """Return what an annotation says; remembered, for all pods are looked at in each turn."""
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")
    # From v7.3 host_ip; older plugins have the host's address in server_id.
    candidates = (document.get("host_ip"), document.get("server_id"))
    hosts = (c for c in candidates if isinstance(c, str) and is_address(c))
    return _Configuration(next(hosts, ""), tuple(_parse_devices(document.get("devices"))))


def _parse_devices(items: Any) -> list[Device]:
    if not isinstance(items, list):
        raise ValueError(f"devices is {_shorten(str(items))!r}, not a list")
    devices = []
    for position, item in enumerate(items):
        if not isinstance(item, dict):
            raise ValueError(f"devices[{position}] is not an object")
        device_id = str(item.get("device_id", ""))
        if not _is_device_id(device_id):
            found = _shorten(device_id)
            raise ValueError(f"devices[{position}].device_id is {found!r}, not a number")
        devices.append(Device(int(device_id), str(item.get("device_ip") or UNKNOWN_IP)))
    return devices


def _is_device_id(text: str) -> bool:
    # Nine digits are far above any chip; Python refuses to read some thousand of them.
    return text.isascii() and text.isdigit() and len(text) <= 9


@lru_cache(maxsize=16_384)
def is_address(text: str) -> bool:
    """Tell whether the text is an IPv4 or IPv6 address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def assign_cpu_allocations(pods: Iterable[PodView], npus_per_pod: int) -> list[Allocation]:
    """Return stand-in allocations for CPU pods, which no device plugin annotates.

    Device ids count up on each host in the order of replica indices; the device
    address is the pod's own. Pods need host and pod IPs.
    """
    allocations = []
    used: dict[str, int] = {}
    for pod in sorted(pods, key=lambda p: p.index):
        first = used.get(pod.host_ip, 0)
        used[pod.host_ip] = first + npus_per_pod
        devices = tuple(Device(first + i, pod.pod_ip) for i in range(npus_per_pod))
        allocations.append(
            Allocation(
                pod=pod.name,
                pod_uid=pod.uid,
                pod_ip=pod.pod_ip,
                host=pod.host_ip,
                node=pod.node,
                devices=devices,
                index=pod.index,
            )
        )
    return allocations


def name_some(names: Sequence[str], limit: int = 3) -> str:
    """Return the first names and how many more there are; messages stay short at any job size."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def _shorten(text: str, limit: int = 120) -> str:
    return text if len(text) <= limit else text[:limit] + "..."
