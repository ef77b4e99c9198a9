"""Ask the scheduler for hosts that each take the same share of a job.

HCCL accepts a job only if every server takes part with the same, legal count
of NPUs, and no scheduler knows that. So the pods are cut into host groups:
required affinity holds a group on one host, anti-affinity keeps two groups
apart. The counts are then right with any scheduler. Which chips a kubelet
picks stays the device plugin's matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from efficientnet_operator.core.identity import (
    ATTEMPT_LABEL,
    HOST_GROUP_LABEL,
    JOB_UID_LABEL,
    JobRef,
)

HOST_TOPOLOGY = "kubernetes.io/hostname"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


@dataclass(frozen=True, slots=True)
class HostGroups:
    """How a job's pods share hosts: ``pods_per_host`` pods in each of ``count`` groups."""

    pods_per_host: int
    count: int

    def group_of(self, index: int) -> int:
        """Return the host group of a replica index."""
        return index // self.pods_per_host


def plan_host_groups(npus: int, npus_per_pod: int, npus_per_host: int) -> HostGroups:
    """Return the host groups of a job of ``npus`` devices, ``npus_per_host`` on each host."""
    return HostGroups(npus_per_host // npus_per_pod, npus // npus_per_host)


def build_affinity(job: JobRef, attempt: int, groups: HostGroups, group: int) -> dict[str, Any]:
    """Return the affinity of one pod of ``group``; {} where it needs none.

    Args:
        job: whose pods; affinity counts only those of the same attempt.
        attempt: the attempt, from 1.
        groups: the job's host groups.
        group: the pod's group.
    """
    affinity: dict[str, Any] = {}
    if groups.pods_per_host > 1:
        affinity["podAffinity"] = _required(job, attempt, group, "In")
    if groups.count > 1:
        affinity["podAntiAffinity"] = _required(job, attempt, group, "NotIn")
    return affinity


def exclude_nodes(affinity: Mapping[str, Any], nodes: Sequence[str]) -> dict[str, Any]:
    """Return ``affinity`` without ``nodes``, those that could not hold a whole host group.

    Terms of a node selector are alternatives, so the exclusion goes into each
    term that the job's template brought, and makes one where there is none.
    """
    # A field requirement takes one value, so each node is a requirement of its own.
    fields = [{"key": "metadata.name", "operator": "NotIn", "values": [node]} for node in nodes]
    node_affinity = affinity.get("nodeAffinity") or {}
    terms = (node_affinity.get(REQUIRED) or {}).get("nodeSelectorTerms") or [{}]
    narrowed = [{**t, "matchFields": [*(t.get("matchFields") or []), *fields]} for t in terms]
    required = {"nodeSelectorTerms": narrowed}
    return {**affinity, "nodeAffinity": {**node_affinity, REQUIRED: required}}


def _required(job: JobRef, attempt: int, group: int, operator: str) -> dict[str, Any]:
    own = {JOB_UID_LABEL: job.uid, ATTEMPT_LABEL: str(attempt)}
    expressions = [{"key": HOST_GROUP_LABEL, "operator": operator, "values": [str(group)]}]
    term = {
        "topologyKey": HOST_TOPOLOGY,
        "labelSelector": {"matchLabels": own, "matchExpressions": expressions},
    }
    return {REQUIRED: [term]}
