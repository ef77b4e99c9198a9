"""What is known of each rank of an attempt: its pod, node and NPU, and how it fares.

Pure. Before the rank table is published nobody has a number, so there the pods stand alone.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from efficientnet_operator.core.allocations import Allocation, parse_allocation
from efficientnet_operator.core.pod_view import PodView


@dataclass(frozen=True, slots=True)
class RankState:
    """One rank, or one pod whose ranks are not known yet.

    Attributes:
        rank: None before the rank table is published.
        pod: name of its pod.
        index: the pod's replica index.
        node: where it runs; "" before it is placed.
        npu: physical id of its NPU on that node; None for a CPU, or before it is known.
        state: Pending, Starting, Running, Stopping, Succeeded or Failed.
        words: what hinders it, or how it ended; "" where nothing does.
    """

    rank: int | None
    pod: str
    index: int
    node: str
    npu: int | None
    state: str
    words: str


def build_ranks(pods: Sequence[PodView], peers: str) -> list[RankState]:
    """Return the ranks by number; pods whose ranks are unknown come last, by replica index.

    Args:
        pods: of one attempt.
        peers: content of peers.json; "" where there is none.
    """
    numbers = ranks_by_pod(peers)
    states = []
    for pod in pods:
        allocation = parse_allocation(pod)
        devices = allocation.devices if isinstance(allocation, Allocation) else ()
        ids = [device.device_id for device in devices]
        known: list[int | None] = [*numbers.get(pod.name, [])]
        # Ranks of a pod rise with its device ids, in every form of the table.
        for position, rank in enumerate(known or [None]):
            npu = ids[position] if known and position < len(ids) else None
            about = (pod.name, pod.index, pod.node)
            states.append(RankState(rank, *about, npu, _name_state(pod), _describe(pod)))
    return sorted(states, key=lambda s: (s.rank is None, s.rank or 0, s.index))


def ranks_by_pod(peers: str) -> dict[str, list[int]]:
    """Return the ranks of each pod, rising; {} where peers.json is not to be read."""
    found: dict[str, list[int]] = defaultdict(list)
    try:
        for peer in json.loads(peers or "[]"):
            found[str(peer["pod"])].append(int(peer["rank"]))
    except (ValueError, TypeError, KeyError):
        return {}
    return {pod: sorted(ranks) for pod, ranks in found.items()}


def _name_state(pod: PodView) -> str:
    if pod.finished:
        return pod.phase
    if pod.deleting:
        return "Stopping"
    if pod.ready:
        return "Running"
    return "Starting" if pod.node else "Pending"


def _describe(pod: PodView) -> str:
    if pod.termination and pod.termination.exit_code:
        return f"exit code {pod.termination.exit_code}"
    return pod.disrupted or pod.reason or pod.waiting or pod.unschedulable
