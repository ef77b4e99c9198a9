"""Build peers.json: which pod and port each rank of a job listens on.

The launcher finds its own ranks by it, and where there is no NPU it becomes
TF_CONFIG. Ranks are those of the rank table, so both files tell one story.
A kubelet tells a pod's address a second or two after its NPUs are known; HCCL
needs none, so the table does not wait for addresses, and they are filled in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from efficientnet_operator.core.identity import FIRST_RANK_PORT
from efficientnet_operator.core.rank_table import RankedDevice

_NO_ADDRESS = '"podIP":""'
_POD_WITHOUT = re.compile(rf'"pod":"([^"]*)",{_NO_ADDRESS}')
"""As ``rank_table.encode`` writes it. Text, not JSON, is looked at: whatever somebody else made of
the file, there is nothing to fail at, and 5,000 ranks cost nothing once all is known."""


def build_peers(ranked: Sequence[RankedDevice]) -> list[dict[str, Any]]:
    """Return one entry for each rank, by rank; ports count up inside a pod from 2222.

    The address of a pod that has none yet is "".
    """
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


def lack_addresses(peers: str) -> bool:
    """Tell whether peers.json has a rank without an address."""
    return _NO_ADDRESS in peers


def add_addresses(peers: str, addresses: Mapping[str, str]) -> str:
    """Return the text of peers.json with each missing address that is known by its pod's name."""

    def add(found: re.Match[str]) -> str:
        pod = found[1]
        return f'"pod":"{pod}","podIP":"{addresses.get(pod, "")}"'

    return _POD_WITHOUT.sub(add, peers)
