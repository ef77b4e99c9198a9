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
    try:
        ranks = [p["rank"] for p in json.loads(config_map.peers) if p["pod"] == pod.name]
    except (ValueError, TypeError, KeyError):
        ranks = []
    if not ranks:
        return rank, None
    found = rank if rank in ranks else min(ranks)
    allocation = parse_allocation(pod)
    if not isinstance(allocation, Allocation):
        return found, None
    # Ranks of a pod rise with its device ids, in every form of the table.
    position = sorted(ranks).index(found)
    devices = allocation.devices
    return found, str(devices[position].device_id) if position < len(devices) else None
