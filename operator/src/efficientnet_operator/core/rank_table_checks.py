"""What HCCL would refuse in a set of allocations, found before anything is published.

An ordered chain of checks; the first violation is the answer. Each names pods,
hosts and values, because the reader has to find the chip it speaks of.

Source: the checks of the open HCCL rank-table parser (error EI0004) and the
server rules of the Ascend 910: chips 0-7 in two HCCS rings, 0-3 and 4-7; every
server takes part with the same count, 1, 2, 4 or 8; 2 or 4 lie in one ring.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from efficientnet_operator.core.allocations import (
    UNKNOWN_IP,
    Allocation,
    Violation,
    is_address,
    name_some,
)
from efficientnet_operator.core.rank_table import Grouping

Accelerator = Literal["Ascend910", "Ascend910B", "CPU"]


@dataclass(frozen=True, slots=True)
class ChipRules:
    """What one kind of server allows: device ids below ``devices``, counts, size of a ring."""

    devices: int
    counts: tuple[int, ...]
    ring: int | None


RULES = {
    "Ascend910": ChipRules(devices=8, counts=(1, 2, 4, 8), ring=4),
    "Ascend910B": ChipRules(devices=16, counts=(1, 2, 4, 8, 16), ring=None),
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A set of allocations that may become a rank table.

    Attributes:
        npus: devices that the job asked for; None where only the set is known.
        npus_per_pod: devices of each pod; None where only the set is known.
    """

    allocations: Sequence[Allocation]
    accelerator: Accelerator = "Ascend910"
    grouping: Grouping = "Host"
    npus: int | None = None
    npus_per_pod: int | None = None


def find_violation(candidate: Candidate) -> Violation | None:
    """Return the first thing that HCCL would refuse, or None where the set may be published."""
    checks = CPU_CHECKS if candidate.accelerator == "CPU" else NPU_CHECKS
    return next((v for check in checks if (v := check(candidate))), None)


def check_pod_counts(candidate: Candidate) -> Violation | None:
    """Each pod holds as many devices as it asked for."""
    want = candidate.npus_per_pod
    if want is None:
        return None
    wrong = [a for a in candidate.allocations if len(a.devices) != want]
    if not wrong:
        return None
    found = name_some([f"{a.pod} has {len(a.devices)}" for a in wrong])
    return Violation(
        "WrongDeviceCount",
        f"pods hold other counts of NPUs than spec.npusPerPod {want}: {found}; "
        "delete the pods or ask what the device plugin wrote on them",
    )


def check_device_ids(candidate: Candidate) -> Violation | None:
    """Physical ids are those that a server of this kind has."""
    limit = RULES[candidate.accelerator].devices
    wrong = [
        f"pod {a.pod} on {a.host} has device {d.device_id}"
        for a in candidate.allocations
        for d in a.devices
        if d.device_id >= limit
    ]
    if not wrong:
        return None
    return Violation(
        "DeviceIDOutOfRange",
        f"{name_some(wrong)}; {candidate.accelerator} has device ids 0-{limit - 1}: "
        "is spec.accelerator right for these hosts?",
    )


def check_unique_devices(candidate: Candidate) -> Violation | None:
    """No device of a host stands in two pods."""
    owners: dict[tuple[str, int], list[str]] = defaultdict(list)
    for a in candidate.allocations:
        for d in a.devices:
            owners[a.host, d.device_id].append(a.pod)
    shared = [
        f"device {device} of host {host} is in pods {', '.join(sorted(pods))}"
        for (host, device), pods in sorted(owners.items())
        if len(pods) > 1
    ]
    if not shared:
        return None
    return Violation(
        "DuplicateDevice",
        f"{name_some(shared)}; one annotation is stale: delete its pod and look at the "
        "device plugin's log on that host",
    )


def check_addresses_known(candidate: Candidate) -> Violation | None:
    """Every device has an address; "-1" means that the plugin could not read it."""
    unknown = [
        (f"pod {a.pod} on {a.host}, device {d.device_id}: device_ip is {d.device_ip!r}", d)
        for a in candidate.allocations
        for d in a.devices
        if not is_address(d.device_ip)
    ]
    if not unknown:
        return None
    unread = any(d.device_ip == UNKNOWN_IP for _, d in unknown)
    return Violation(
        "DeviceIPUnknown",
        f"{name_some([found for found, _ in unknown])}; want an address"
        + (" (the plugin writes -1 where it cannot read one)" if unread else "")
        + "; set the NPU's address with hccn_tool on that host, then restart the device plugin",
    )


def check_unique_addresses(candidate: Candidate) -> Violation | None:
    """No address stands twice in the table."""
    owners: dict[str, list[str]] = defaultdict(list)
    for a in candidate.allocations:
        for d in a.devices:
            owners[d.device_ip].append(f"device {d.device_id} of pod {a.pod} on {a.host}")
    shared = [
        f"{address} is the address of {' and '.join(sorted(devices))}"
        for address, devices in sorted(owners.items())
        if len(devices) > 1
    ]
    if not shared:
        return None
    return Violation(
        "DuplicateDeviceIP",
        f"{name_some(shared)}; give each NPU an address of its own with hccn_tool",
    )


def check_counts(candidate: Candidate) -> Violation | None:
    """Every server takes part with the same count, and with one that HCCL knows."""
    rules = RULES[candidate.accelerator]
    counts = {server: len(ids) for server, ids in _devices_by_server(candidate).items()}
    legal = set(counts.values()) <= set(rules.counts) and len(set(counts.values())) == 1
    if legal or not counts:
        return None
    # The rarest count first: of a thousand servers those that differ have to be among the shown.
    servers_with = Counter(counts.values())
    ordered = sorted(counts.items(), key=lambda item: (servers_with[item[1]], item[0]))
    found = name_some([f"{server} has {count}" for server, count in ordered], 8)
    wanted = ", ".join(str(c) for c in rules.counts)
    return Violation(
        "UnevenAllocation",
        f"NPUs by {_server_word(candidate)}: {found}; HCCL wants the same count on each, one of "
        f"{wanted}; set spec.scheduling.npusPerHost, or spec.npusPerPod to take whole servers",
    )


def check_rings(candidate: Candidate) -> Violation | None:
    """Two or four devices of one server lie in one HCCS ring."""
    ring = RULES[candidate.accelerator].ring
    if ring is None:
        return None
    straddling = [
        f"{server} has devices {', '.join(map(str, sorted(ids)))}"
        for server, ids in sorted(_devices_by_server(candidate).items())
        if 1 < len(ids) <= ring and len({i // ring for i in ids}) > 1
    ]
    if not straddling:
        return None
    return Violation(
        "UnevenAllocation",
        f"NPUs over two HCCS rings (0-{ring - 1}, {ring}-{2 * ring - 1}): "
        f"{name_some(straddling, 8)}; use pods of several NPUs (spec.npusPerPod) or Huawei's "
        "Volcano plugin, which place by ring",
    )


def check_total(candidate: Candidate) -> Violation | None:
    """The table has as many ranks as the job asked for."""
    total = sum(len(a.devices) for a in candidate.allocations)
    if candidate.npus is None or total == candidate.npus:
        return None
    return Violation(
        "WrongDeviceCount", f"the pods hold {total} NPUs in all, spec.npus is {candidate.npus}"
    )


def _devices_by_server(candidate: Candidate) -> dict[str, list[int]]:
    servers: dict[str, list[int]] = defaultdict(list)
    for a in candidate.allocations:
        server = a.host if candidate.grouping == "Host" else a.pod
        servers[server].extend(d.device_id for d in a.devices)
    return dict(servers)


def _server_word(candidate: Candidate) -> str:
    return "host" if candidate.grouping == "Host" else "pod"


Check = Callable[[Candidate], Violation | None]
NPU_CHECKS: tuple[Check, ...] = (
    check_pod_counts,
    check_device_ids,
    check_unique_devices,
    check_addresses_known,
    check_unique_addresses,
    check_counts,
    check_rings,
    check_total,
)
CPU_CHECKS: tuple[Check, ...] = (check_pod_counts, check_total)
