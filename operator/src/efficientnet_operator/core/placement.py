"""Ask the scheduler for hosts that each take the same share of a job.

HCCL accepts a job only if every server takes part with the same, legal count
of NPUs, and no scheduler knows that. So the pods are cut into host groups:
required affinity holds a group on one host, anti-affinity keeps two groups
apart. The counts are then right with any scheduler. Which chips a kubelet
picks stays the device plugin's matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from efficientnet_operator.core.identity import (
    ATTEMPT_LABEL,
    HOST_GROUP_LABEL,
    JOB_UID_LABEL,
    JobRef,
)

HOST_TOPOLOGY = "kubernetes.io/hostname"


@dataclass(frozen=True, slots=True)
class HostGroups:
    """How a job's pods share hosts: ``pods_per_host`` pods in each of ``count`` groups."""

    pods_per_host: int
    count: int

    def group_of(self, index: int) -> int:
        """Return the host group of a replica index."""
        return index // self.pods_per_host

    def members(self, group: int) -> range:
        """Return the replica indices of a group."""
        return range(group * self.pods_per_host, (group + 1) * self.pods_per_host)


def plan_host_groups(npus: int, npus_per_pod: int, npus_per_host: int) -> HostGroups:
    """Return the host groups of a job of ``npus`` devices, ``npus_per_host`` on each host."""
    return HostGroups(npus_per_host // npus_per_pod, npus // npus_per_host)


def build_affinity(
    job: JobRef, attempt: int, groups: HostGroups, group: int, excluded: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the affinity of one pod of ``group``; {} where it needs none.

    Args:
        job: whose pods; affinity counts only those of the same attempt.
        attempt: the attempt, from 1.
        groups: the job's host groups.
        group: the pod's group.
        excluded: nodes that could not hold the whole group.
    """
    affinity: dict[str, Any] = {}
    if groups.pods_per_host > 1:
        affinity["podAffinity"] = _required(job, attempt, group, "In")
    if groups.count > 1:
        affinity["podAntiAffinity"] = _required(job, attempt, group, "NotIn")
    # A field requirement takes one value, so each node is a requirement of its own.
    fields = [
        {"key": "metadata.name", "operator": "NotIn", "values": [node]}
        for node in sorted(excluded)
    ]
    if fields:
        terms = {"nodeSelectorTerms": [{"matchFields": fields}]}
        affinity["nodeAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
    return affinity


def _required(job: JobRef, attempt: int, group: int, operator: str) -> dict[str, Any]:
    own = {JOB_UID_LABEL: job.uid, ATTEMPT_LABEL: str(attempt)}
    expressions = [{"key": HOST_GROUP_LABEL, "operator": operator, "values": [str(group)]}]
    term = {
        "topologyKey": HOST_TOPOLOGY,
        "labelSelector": {"matchLabels": own, "matchExpressions": expressions},
    }
    return {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
