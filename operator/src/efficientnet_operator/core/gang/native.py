"""The gang of Kubernetes itself: PodGroup of ``scheduling.k8s.io``.

One PodGroup for each attempt: its condition PodGroupInitiallyScheduled never
reverts and terminating members count, so a group used twice is no gang.

Source: k8s.io/api scheduling/v1beta1 (Kubernetes 1.37) and v1alpha2 (1.36).
"""

from __future__ import annotations

from typing import Any

from efficientnet_operator.core.gang.group_view import GroupView
from efficientnet_operator.core.gang.strategy import Attempt, Strategy
from efficientnet_operator.core.resources import NATIVE_GROUPS, Resource

TOPOLOGY_GATE = "TopologyAwareWorkloadScheduling"
GATE_HINT = (
    f"spec.scheduling.topologyKey with gang Native needs the feature gate {TOPOLOGY_GATE} "
    "of kube-apiserver and kube-scheduler (alpha, off by default): turn it on, or leave "
    "topologyKey out"
)
WHOLE_GROUP: dict[str, Any] = {"v1alpha2": "PodGroup"}
"""Disruption of all members at once, where it is not said as in v1beta1."""


def _build_spec(attempt: Attempt, resource: Resource) -> dict[str, Any]:
    version = resource.api_version.rpartition("/")[2]
    group: dict[str, Any] = {
        "schedulingPolicy": {"gang": {"minCount": attempt.spec.replicas}},
        "disruptionMode": WHOLE_GROUP.get(version, {"all": {}}),
    }
    scheduling = attempt.spec.scheduling
    # The scheduler takes the members' priority from their group, not from the pods.
    if scheduling.priority_class_name:
        group["priorityClassName"] = scheduling.priority_class_name
    if scheduling.topology_key:
        group["schedulingConstraints"] = {"topology": [{"key": scheduling.topology_key}]}
    return group


def _build_pod_patch(attempt: Attempt) -> dict[str, Any]:
    return {"spec": {"schedulingGroup": {"podGroupName": attempt.group_name}}}


def _explain(group: GroupView) -> str:
    return group.newest("PodGroupInitiallyScheduled", "False")


def _find_flaw(attempt: Attempt, group: GroupView) -> str:
    """Tell of constraints that the API server dropped, as it does where their gate is off."""
    wanted = attempt.spec.scheduling.topology_key
    if not wanted or group.constrained:
        return ""
    return f"the API server stored PodGroup {group.name} without its topology: {GATE_HINT}"


STRATEGY = Strategy(
    resources=NATIVE_GROUPS,
    remedy=(
        "start kube-apiserver, kube-scheduler and kube-controller-manager with the feature gate "
        "GenericWorkload=true and kube-apiserver with "
        "--runtime-config=scheduling.k8s.io/v1beta1=true (Kubernetes 1.37; v1alpha2 on 1.36)"
    ),
    build_spec=_build_spec,
    build_pod_patch=_build_pod_patch,
    inspects=lambda attempt: bool(attempt.spec.scheduling.topology_key),
    explain=_explain,
    find_flaw=_find_flaw,
    hints={"schedulingConstraints": GATE_HINT},
)
