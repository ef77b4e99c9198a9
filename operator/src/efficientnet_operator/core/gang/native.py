"""The gang of Kubernetes itself: ``scheduling.k8s.io/v1beta1`` PodGroup.

One PodGroup for each attempt: its condition PodGroupInitiallyScheduled never
reverts and terminating members count, so a group used twice is no gang.
"""

from __future__ import annotations

from typing import Any

from efficientnet_operator.api.spec import EfficientNetJobSpec
from efficientnet_operator.core.identity import JobRef, child_metadata, pod_group_name


def build_group(job: JobRef, spec: EfficientNetJobSpec, attempt: int) -> dict[str, Any] | None:
    """Return the PodGroup of one attempt: all its pods start or none does."""
    group: dict[str, Any] = {
        "schedulingPolicy": {"gang": {"minCount": spec.replicas}},
        "disruptionMode": {"all": {}},
    }
    # The scheduler takes the members' priority from their group, not from the pods.
    if spec.scheduling.priority_class_name:
        group["priorityClassName"] = spec.scheduling.priority_class_name
    return {
        "apiVersion": "scheduling.k8s.io/v1beta1",
        "kind": "PodGroup",
        "metadata": child_metadata(job, attempt, pod_group_name(job, attempt)),
        "spec": group,
    }


def build_pod_patch(job: JobRef, attempt: int) -> dict[str, Any]:
    """Return the pod's membership."""
    return {"spec": {"schedulingGroup": {"podGroupName": pod_group_name(job, attempt)}}}
