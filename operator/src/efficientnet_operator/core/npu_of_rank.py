"""Find which rank and which chip a failed pod stands for, in what was published.

The published files are the record: by the time of a failure the pod's siblings
may be gone, so the table cannot be built again.
"""

from __future__ import annotations

import json

from efficientnet_operator.core.allocations import Allocation, parse_allocation
from efficientnet_operator.core.config_maps import ConfigMapView
from efficientnet_operator.core.pod_view import PodView


def find_npu(
    config_map: ConfigMapView, pod: PodView, rank: int | None
) -> tuple[int | None, str | None]:
    """Return (rank, physical device id) of a pod's rank.

    Args:
        config_map: the attempt's published files.
        pod: the failed pod.
        rank: the rank that its trainer named; None takes the pod's lowest.

    Returns:
        Either is None where it is not known, as before the table was published.
    """
    ranks = _ranks_of(config_map, pod)
    if not ranks:
        return rank, None
    found = rank if rank in ranks else min(ranks)
    allocation = parse_allocation(pod)
    if not isinstance(allocation, Allocation):
        return found, None
    # Ranks of a pod rise with its device ids, in every form of the table.
    position = ranks.index(found)
    devices = allocation.devices
    return found, str(devices[position].device_id) if position < len(devices) else None


def find_rank(config_map: ConfigMapView, pod: PodView, device_id: int) -> int | None:
    """Return the rank that runs on one chip of a pod; None before the table was published."""
    allocation = parse_allocation(pod)
    devices = allocation.devices if isinstance(allocation, Allocation) else ()
    # The same order as above, the other way round.
    pairs = zip(_ranks_of(config_map, pod), devices, strict=False)
    return next((rank for rank, device in pairs if device.device_id == device_id), None)


def _ranks_of(config_map: ConfigMapView, pod: PodView) -> list[int]:
    try:
        return sorted(p["rank"] for p in json.loads(config_map.peers) if p["pod"] == pod.name)
    except (ValueError, TypeError, KeyError):
        return []
