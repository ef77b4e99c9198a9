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

IPV4_LENGTH, IPV6_LENGTH = len("255.255.255.255"), len("ffff:" * 7 + "ffff")
_NO_ADDRESS = '"podIP":""'
_POD = re.compile(r'"pod":"([^"]*)","podIP":"([^"]*)"')
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


def room_for_addresses(ranked: Sequence[RankedDevice]) -> int:
    """Return how many bytes the addresses that are still missing can take, as text.

    Pods and hosts of a cluster have addresses of the same family.
    """
    lacking = (entry.allocation.host for entry in ranked if not entry.allocation.pod_ip)
    return sum(IPV6_LENGTH if ":" in host else IPV4_LENGTH for host in lacking)


def lack_addresses(peers: str) -> bool:
    """Tell whether peers.json has a rank without an address."""
    return _NO_ADDRESS in peers


def add_addresses(peers: str, addresses: Mapping[str, str]) -> str:
    """Return the text of peers.json with each pod's address, by its name, where it is known.

    Also where another one stands there: a sandbox that is made anew gets a new address.
    """

    def add(found: re.Match[str]) -> str:
        pod, before = found.groups()
        return f'"pod":"{pod}","podIP":"{addresses.get(pod) or before}"'

    return _POD.sub(add, peers)
