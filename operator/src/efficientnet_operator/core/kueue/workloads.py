"""Build the Workload that describes a job to Kueue, and what its admission adds to the pods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from efficientnet_operator.api.names import KIND
from efficientnet_operator.api.spec import EfficientNetJobSpec
from efficientnet_operator.core.identity import (
    JOB_NAME_LABEL,
    JOB_UID_LABEL,
    JobRef,
    owner_reference,
)
from efficientnet_operator.core.kueue.workload_view import POD_SET, Flavor, WorkloadView
from efficientnet_operator.core.merge import merge
from efficientnet_operator.core.pods import PodBuilder
from efficientnet_operator.core.resources import Resource

QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
KUEUE_JOB_UID_LABEL = "kueue.x-k8s.io/job-uid"


def workload_name(job: JobRef) -> str:
    """Return the name of a job's Workload; one for all attempts, as the quota stays the same."""
    return f"{KIND.lower()}-{job.name}"


def build_workload(
    resource: Resource, job: JobRef, spec: EfficientNetJobSpec, queue: str
) -> dict[str, Any]:
    """Return the Workload of a job: all its pods as one set, for one queue.

    The template is that of attempt 1: Kueue counts requests and compares node selectors.
    """
    pod = PodBuilder(job, spec, 1).build(0)
    labels = {
        JOB_NAME_LABEL: job.name,
        JOB_UID_LABEL: job.uid,
        KUEUE_JOB_UID_LABEL: job.uid,
    }
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": workload_name(job),
            "namespace": job.namespace,
            "labels": labels,
            "ownerReferences": [owner_reference(job)],
        },
        "spec": {
            "queueName": queue,
            "podSets": [
                {
                    "name": POD_SET,
                    "count": spec.replicas,
                    "template": {
                        "metadata": {"labels": {JOB_NAME_LABEL: job.name}},
                        "spec": pod["spec"],
                    },
                }
            ],
        },
    }


def build_admitted_patch(workload: WorkloadView, flavors: Mapping[str, Flavor]) -> dict[str, Any]:
    """Return what an admission adds to each pod, as a partial pod.

    Args:
        workload: admitted.
        flavors: all ResourceFlavors that it names.
    """
    patch: dict[str, Any] = {}
    for name in workload.flavors:
        flavor = flavors[name]
        patch = merge(patch, _pod_of(flavor.node_labels, flavor.tolerations))
    for update in workload.updates:
        added = _pod_of(update.get("nodeSelector") or {}, update.get("tolerations") or ())
        metadata = {k: update[k] for k in ("labels", "annotations") if update.get(k)}
        patch = merge(merge(patch, added), {"metadata": metadata} if metadata else {})
    return patch


def _pod_of(selector: Mapping[str, Any], tolerations: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"nodeSelector": dict(selector)} if selector else {}
    spec |= {"tolerations": list(tolerations)} if tolerations else {}
    return {"spec": spec} if spec else {}
