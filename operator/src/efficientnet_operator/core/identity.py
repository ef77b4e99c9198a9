"""Names, labels and annotations that tie a job's children to the job.

A child's name is a function of job, attempt and index, so that creating it
twice is one object; its labels and controller reference tell whose it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from efficientnet_operator.api.names import API_VERSION, GROUP, KIND

JOB_NAME_LABEL = f"{GROUP}/job-name"
JOB_UID_LABEL = f"{GROUP}/job-uid"
ATTEMPT_LABEL = f"{GROUP}/attempt"
REPLICA_INDEX_LABEL = f"{GROUP}/replica-index"
HOST_GROUP_LABEL = f"{GROUP}/host-group"

RANK_TABLE_ANNOTATION = f"{GROUP}/rank-table"
"""SHA-256 of the published hccl.json; patching it makes the kubelet refresh the volume."""
PEERS_ANNOTATION = f"{GROUP}/peers"
"""The same of peers.json, for pods that wait for addresses; nobody compares it with the file."""
NUDGE_ANNOTATION = f"{GROUP}/nudge"
"""How often a pod that had both but stayed unready was nudged again."""
EXCLUDED_HOSTS_ANNOTATION = f"{GROUP}/excluded-hosts"
"""On the rank table's ConfigMap: JSON of host group to nodes that could not hold all of it."""

Key = tuple[str, str]
"""Namespace and name of a job."""

TRAINER_CONTAINER = "trainer"
HTTP_PORT = 8080
FIRST_RANK_PORT = 2222


@dataclass(frozen=True, slots=True)
class JobRef:
    """Which job: namespace, name and UID."""

    namespace: str
    name: str
    uid: str


def pod_name(job: JobRef, attempt: int, index: int) -> str:
    """Return the name of one trainer pod."""
    return f"{job.name}-{attempt}-{index}"


def config_map_name(job: JobRef, attempt: int) -> str:
    """Return the name of one attempt's ConfigMap; a reused one would show the old table."""
    return f"{job.name}-{attempt}-rank-table"


def pod_group_name(job: JobRef, attempt: int) -> str:
    """Return the name of one attempt's PodGroup."""
    return f"{job.name}-{attempt}"


def child_labels(job: JobRef, attempt: int) -> dict[str, str]:
    """Return the labels that every child of one attempt carries."""
    return {
        JOB_NAME_LABEL: job.name,
        JOB_UID_LABEL: job.uid,
        ATTEMPT_LABEL: str(attempt),
    }


def owner_reference(job: JobRef) -> dict[str, Any]:
    """Return the controller reference by which the API server deletes children with their job."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": job.name,
        "uid": job.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def child_metadata(job: JobRef, attempt: int, name: str, **labels: str) -> dict[str, Any]:
    """Return the metadata of one child; extra ``labels`` are added to the common ones."""
    return {
        "name": name,
        "namespace": job.namespace,
        "labels": {**child_labels(job, attempt), **labels},
        "ownerReferences": [owner_reference(job)],
    }
