"""The gang of the Coscheduling plugin: PodGroup of ``scheduling.x-k8s.io/v1alpha1``.

The plugin runs inside some kube-scheduler, the default one or one beside it
under a name of its own; only the user knows which.  Why a gang waits is said by
the conditions of its pods.

Source: kubernetes-sigs/scheduler-plugins, pkg/coscheduling/README.md and the CRD
config/crd/bases/scheduling.x-k8s.io_podgroups.yaml.
"""

from __future__ import annotations

from typing import Any

from efficientnet_operator.core.gang.members import build_members, keep_together
from efficientnet_operator.core.gang.strategy import Attempt, Strategy
from efficientnet_operator.core.resources import COSCHEDULING_GROUP, Resource

GROUP_LABEL = "scheduling.x-k8s.io/pod-group"
SCHEDULE_TIMEOUT_S = 60
"""How long placed members hold their places for the others; then all let go and try again."""


def _build_spec(attempt: Attempt, resource: Resource) -> dict[str, Any]:
    return {**build_members(attempt), "scheduleTimeoutSeconds": SCHEDULE_TIMEOUT_S}


def _build_pod_patch(attempt: Attempt) -> dict[str, Any]:
    labels = {GROUP_LABEL: attempt.group_name}
    return {"metadata": {"labels": labels}, "spec": keep_together(attempt)}


STRATEGY = Strategy(
    resources=(COSCHEDULING_GROUP,),
    remedy=(
        "install the CRD and the scheduler of kubernetes-sigs/scheduler-plugins, or use another "
        "spec.scheduling.gang"
    ),
    build_spec=_build_spec,
    build_pod_patch=_build_pod_patch,
)
