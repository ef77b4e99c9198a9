"""Build the HCCL rank table of one job from the devices its pods were given.

A rank table is a pure function of a set: the same allocations give the same
bytes in any order.  ``rank_table_checks`` says whether a set may be published;
``reconcile`` decides when; ``execute`` writes.

Source: the rank table forms that HCCL reads, "1.0" (server_list with rank_id)
and the older one without a version (group_list; HCCL derives the ranks by
server_id as a string, then device_id).  Every scalar in both is a string.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from efficientnet_operator.core.allocations import Allocation, Device

Version = Literal["1.0", "Legacy"]
Grouping = Literal["Host", "Pod"]

INITIALIZING = '{"status":"initializing"}'
"""What stands in hccl.json until the table is complete; HCCL and the launcher wait on it."""


@dataclass(frozen=True, slots=True)
class RankedDevice:
    """One rank: its number, the server entry it stands in, its pod and device."""

    rank: int
    server_id: str
    allocation: Allocation
    device: Device


def rank_devices(
    allocations: Iterable[Allocation], version: Version = "1.0", grouping: Grouping = "Host"
) -> list[RankedDevice]:
    """Return all devices in rank order, ranks dense from 0 and contiguous on each server.

    Hosts sort bytewise; the topology value comes first, for 1.0 only, because
    in Legacy HCCL itself sorts by the published server_id and nothing else.
    Devices must be unique (``rank_table_checks``), else their order is not defined.
    """
    allocations = list(allocations)
    # One value for each host: two would tear its ranks apart.
    topology: dict[str, str] = {}
    for a in allocations:
        topology[a.host] = min(topology.get(a.host, a.topology), a.topology)

    def server_id(allocation: Allocation) -> str:
        return allocation.host if grouping == "Host" else allocation.pod_uid

    def order(entry: tuple[Allocation, Device]) -> tuple[Any, ...]:
        allocation, device = entry
        if version == "Legacy":
            return (server_id(allocation), device.device_id)
        if grouping == "Host":
            return (topology[allocation.host], allocation.host, device.device_id)
        first = allocation.devices[0].device_id
        return (
            topology[allocation.host],
            allocation.host,
            first,
            allocation.pod_uid,
            device.device_id,
        )

    entries = sorted(((a, d) for a in allocations for d in a.devices), key=order)
    return [RankedDevice(rank, server_id(a), a, d) for rank, (a, d) in enumerate(entries)]


def assign_ranks(allocations: Iterable[Allocation]) -> dict[tuple[str, int], int]:
    """Return (host, device id) to rank for the default form: 1.0, grouped by host."""
    return {(r.allocation.host, r.device.device_id): r.rank for r in rank_devices(allocations)}


def build_rank_table(
    ranked: Sequence[RankedDevice], version: Version = "1.0", status: str = "completed"
) -> dict[str, Any]:
    """Return the rank table document of devices in rank order (from ``rank_devices``)."""
    if version == "Legacy":
        return _build_legacy(ranked, status)
    return _build_1_0(ranked, status)


def _build_1_0(ranked: Sequence[RankedDevice], status: str) -> dict[str, Any]:
    servers: dict[str, list[dict[str, str]]] = {}
    for entry in ranked:
        servers.setdefault(entry.server_id, []).append(
            {
                "device_id": str(entry.device.device_id),
                "device_ip": entry.device.device_ip,
                "rank_id": str(entry.rank),
            }
        )
    return {
        "status": status,
        "version": "1.0",
        "server_count": str(len(servers)),
        "server_list": [{"server_id": s, "device": devices} for s, devices in servers.items()],
    }


def _build_legacy(ranked: Sequence[RankedDevice], status: str) -> dict[str, Any]:
    """One instance for each pod; pods of a host share its server_id."""
    instances: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in ranked:
        instance = instances.setdefault(
            (entry.allocation.pod, entry.allocation.pod_uid),
            {"pod_name": entry.allocation.pod, "server_id": entry.server_id, "devices": []},
        )
        instance["devices"].append(
            {"device_id": str(entry.device.device_id), "device_ip": entry.device.device_ip}
        )
    group = {
        "group_name": "worker",
        "device_count": str(len(ranked)),
        "instance_count": str(len(instances)),
        "instance_list": list(instances.values()),
    }
    return {"status": status, "group_count": "1", "group_list": [group]}


def encode(document: Any) -> str:
    """Return compact ASCII JSON: about 70 bytes an NPU, 13,000 of which fit in a ConfigMap."""
    return json.dumps(document, separators=(",", ":"))


def hash_file(text: str) -> str:
    """Return a file's SHA-256 in hex; a pod compares the mounted table with the one it carries."""
    return hashlib.sha256(text.encode()).hexdigest()
