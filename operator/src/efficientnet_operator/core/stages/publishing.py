"""Collect the allocations of an attempt and publish its rank table, once and whole.

Addresses of pods that have none yet follow in peers.json, once all are known.
"""

from __future__ import annotations

from efficientnet_operator.core.allocations import (
    Allocation,
    Violation,
    assign_cpu_allocations,
    name_some,
    parse_allocation,
)
from efficientnet_operator.core.conditions import format_time
from efficientnet_operator.core.config_maps import (
    PEERS_KEY,
    ConfigMapView,
    build_data,
    build_patch,
)
from efficientnet_operator.core.draft import Draft
from efficientnet_operator.core.identity import (
    NUDGE_ANNOTATION,
    PEERS_ANNOTATION,
    RANK_TABLE_ANNOTATION,
)
from efficientnet_operator.core.peers import (
    add_addresses,
    build_peers,
    lack_addresses,
    room_for_addresses,
)
from efficientnet_operator.core.plan import Patch
from efficientnet_operator.core.pod_view import PodView
from efficientnet_operator.core.rank_table import (
    INITIALIZING,
    build_rank_table,
    encode,
    hash_file,
    rank_devices,
)
from efficientnet_operator.core.rank_table_checks import Candidate, find_violation
from efficientnet_operator.core.resources import CONFIG_MAP, POD

CONFIG_MAP_BYTES = 1024 * 1024
"""What the API server takes as data of one ConfigMap."""

LOOK_AGAIN_S = 15.0
"""A violation may be mended where no watch tells of it, such as in a node's annotation."""


def publish_table(draft: Draft) -> bool:
    """Publish when all ranks are known; nudge each pod so that its kubelet looks."""
    config_map = draft.config_map
    if config_map is None:
        draft.wait("the rank table's ConfigMap", LOOK_AGAIN_S)
        return True
    if config_map.hccl != INITIALIZING:
        peers = _address_peers(draft, config_map)
        _note_published(draft, config_map.hccl, peers, anew=peers != config_map.peers)
        return False
    allocations = _collect(draft)
    if isinstance(allocations, Violation):
        return _refuse(draft, allocations)
    if allocations is None:
        return True
    violation = find_violation(
        Candidate(
            allocations,
            draft.spec.accelerator,
            draft.spec.rank_table.grouping,
            draft.spec.npus,
            draft.spec.npus_per_pod,
        )
    )
    if violation:
        return _refuse(draft, violation)
    return _publish(draft, config_map, allocations)


def _collect(draft: Draft) -> list[Allocation] | Violation | None:
    """Return every pod's allocation, the first violation, or None while some are missing."""
    pods = draft.attempt_pods
    if draft.spec.accelerator == "CPU":
        known = [p for p in pods if p.pod_ip and p.host_ip]
        allocations = assign_cpu_allocations(known, draft.spec.npus_per_pod)
    else:
        allocations = []
        key = draft.spec.scheduling.topology_key or ""
        for pod in pods:
            if key and pod.node and pod.node not in draft.view.nodes:
                return Violation(
                    "NodeUnreadable",
                    f"scheduling.topologyKey {key} orders the ranks, and node {pod.node} is not "
                    f"known: {draft.view.node_source or 'it was not found'}; grant the operator "
                    "the right to get nodes, or leave topologyKey away",
                )
            found = parse_allocation(pod, draft.view.nodes.get(pod.node), key)
            if isinstance(found, Violation):
                return found
            # Volcano's plugin annotates before a pod is bound: the kubelet has to have taken it.
            if found and pod.host_ip:
                allocations.append(found)
    _report_count(draft, pods, allocations)
    return allocations if len(allocations) == len(pods) else None


def _report_count(draft: Draft, pods: list[PodView], allocations: list[Allocation]) -> None:
    allocated = sum(len(a.devices) for a in allocations)
    draft.status["npus"] = {"total": draft.spec.npus, "allocated": allocated}
    if len(allocations) == len(pods):
        return
    done = {a.pod for a in allocations}
    late = [p.name for p in pods if p.name not in done]
    message = f"{allocated}/{draft.spec.npus} NPUs allocated; waiting for pod {name_some(late)}"
    draft.conditions.set("Allocated", False, "WaitingForAllocation", message)
    what = "an address" if draft.spec.accelerator == "CPU" else "the device plugin's annotation"
    draft.wait(f"{what} on {name_some(late)}")


def _refuse(draft: Draft, violation: Violation) -> bool:
    message = violation.message
    if violation.reason == "DeviceIPUnknown" and draft.view.node_source:
        message += f"; nodes were not asked: {draft.view.node_source}"
    draft.conditions.set("Allocated", False, violation.reason, message)
    draft.wait(f"allocations that HCCL accepts: {message}", LOOK_AGAIN_S)
    return True


def _publish(draft: Draft, config_map: ConfigMapView, allocations: list[Allocation]) -> bool:
    version, grouping = draft.spec.rank_table.version, draft.spec.rank_table.grouping
    ranked = rank_devices(allocations, version, grouping)
    hccl = encode(build_rank_table(ranked, version))
    peers = encode(build_peers(ranked))
    size = len(hccl) + len(peers) + room_for_addresses(ranked)
    if size > CONFIG_MAP_BYTES:
        return _refuse(
            draft,
            Violation(
                "RankTableTooLarge",
                f"hccl.json and peers.json of {draft.spec.npus} ranks take {size} bytes, a "
                f"ConfigMap holds {CONFIG_MAP_BYTES}; lower spec.npus, or shorten the job's name, "
                "which stands once in each rank's entry",
            ),
        )
    patch = build_patch(config_map, build_data(hccl, peers))
    draft.patches.append(Patch(CONFIG_MAP, config_map.name, patch))
    _note_published(draft, hccl, peers, anew=True)
    return False


def _address_peers(draft: Draft, config_map: ConfigMapView) -> str:
    """Return peers.json; write it again when the last address that it lacked is known."""
    pods = draft.attempt_pods
    if not lack_addresses(config_map.peers) or not all(pod.pod_ip for pod in pods):
        return config_map.peers
    peers = add_addresses(config_map.peers, {pod.name: pod.pod_ip for pod in pods})
    if peers != config_map.peers:
        patch = build_patch(config_map, {PEERS_KEY: peers})
        draft.patches.append(Patch(CONFIG_MAP, config_map.name, patch))
    return peers


def _note_published(draft: Draft, hccl: str, peers: str, *, anew: bool) -> None:
    """Set Allocated and nudge the pods that do not carry the files' hashes yet.

    A ready pod has all that it needs: with NPUs it has no use for addresses that come later. One
    that has not started reads what is there when it does.
    """
    sha256, peers_sha256 = hash_file(hccl), hash_file(peers)
    if anew or (draft.status.get("rankTable") or {}).get("sha256") != sha256:
        draft.status["rankTable"] = {
            "configMap": draft.config_map.name if draft.config_map else "",
            "sha256": sha256,
            "completedAt": format_time(draft.now),
        }
    npus = draft.spec.npus
    draft.status["npus"] = {"total": npus, "allocated": npus}
    draft.conditions.set("Allocated", True, "RankTablePublished", f"{npus}/{npus} NPUs allocated")
    for pod in draft.attempt_pods:
        has_table = pod.annotations.get(RANK_TABLE_ANNOTATION) == sha256
        has_peers = pod.annotations.get(PEERS_ANNOTATION) == peers_sha256
        if pod.finished or (has_table and (has_peers or pod.ready or not pod.started)):
            continue
        annotations: dict[str, str | None] = {
            RANK_TABLE_ANNOTATION: sha256,
            PEERS_ANNOTATION: peers_sha256,
        }
        if NUDGE_ANNOTATION in pod.annotations:
            annotations[NUDGE_ANNOTATION] = None  # counted for each publication
        draft.patches.append(Patch(POD, pod.name, {"metadata": {"annotations": annotations}}))
