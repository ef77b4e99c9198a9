"""The gang of Volcano: PodGroup of ``scheduling.volcano.sh/v1beta1``, and its queues.

Volcano admits a PodGroup to its queue by ``minResources`` before any pod
exists; phase Inqueue is its word that controllers may create the pods.  Its own
controller waits for it too: pods that come earlier only burden API server and
scheduler, and do not start.

Source: volcano-sh/volcano, docs/design/delay-pod-creation.md and the CRD
config/crd/volcano/bases/scheduling.volcano.sh_podgroups.yaml.
"""

from __future__ import annotations

from typing import Any

from efficientnet_operator.core.gang.group_view import GroupView
from efficientnet_operator.core.gang.members import build_members, keep_together
from efficientnet_operator.core.gang.strategy import Attempt, Strategy
from efficientnet_operator.core.resources import VOLCANO_GROUP, Resource

GROUP_ANNOTATION = "scheduling.k8s.io/group-name"
SCHEDULER = "volcano"
NOT_ADMITTED = frozenset({"", "Pending"})


def _build_spec(attempt: Attempt, resource: Resource) -> dict[str, Any]:
    scheduling = attempt.spec.scheduling
    group = build_members(attempt)
    group |= {"queue": scheduling.queue} if scheduling.queue else {}
    if scheduling.priority_class_name:
        group["priorityClassName"] = scheduling.priority_class_name
    return group


def _build_pod_patch(attempt: Attempt) -> dict[str, Any]:
    annotations = {GROUP_ANNOTATION: attempt.group_name}
    # networkTopology of the PodGroup counts tiers of HyperNodes and takes no node label.
    spec = keep_together(attempt)
    if not attempt.spec.scheduling.scheduler_name:
        spec["schedulerName"] = SCHEDULER
    return {"metadata": {"annotations": annotations}, "spec": spec}


def _may_start(group: GroupView) -> bool:
    return group.phase not in NOT_ADMITTED


def _explain(group: GroupView) -> str:
    words = group.newest("Unschedulable", "True")
    if group.phase == "Running" or not (words or group.phase):
        return words
    phase = f"Volcano's PodGroup {group.name} is {group.phase}"
    return f"{phase}: {words}" if words else phase


STRATEGY = Strategy(
    resources=(VOLCANO_GROUP,),
    remedy="install Volcano (volcano.sh), or use another spec.scheduling.gang",
    build_spec=_build_spec,
    build_pod_patch=_build_pod_patch,
    inspects=lambda attempt: True,
    may_start=_may_start,
    explain=_explain,
)
