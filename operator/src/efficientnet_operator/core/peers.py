"""Build peers.json: which pod and port each rank of a job listens on.

The launcher finds its own ranks by it, and where there is no NPU it becomes
TF_CONFIG. Ranks are those of the rank table, so both files tell one story.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from efficientnet_operator.core.identity import FIRST_RANK_PORT
from efficientnet_operator.core.rank_table import RankedDevice


def build_peers(ranked: Sequence[RankedDevice]) -> list[dict[str, Any]]:
    """Return one entry for each rank, by rank; ports count up inside a pod from 2222."""
    used: dict[str, int] = {}
    peers = []
    for entry in ranked:
        pod = entry.allocation.pod
        local = used.get(pod, 0)
        used[pod] = local + 1
        peers.append(
            {
                "rank": entry.rank,
                "pod": pod,
                "podIP": entry.allocation.pod_ip,
                "port": FIRST_RANK_PORT + local,
            }
        )
    return peers
