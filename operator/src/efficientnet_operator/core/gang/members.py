"""What PodGroups outside Kubernetes say alike: how many members, and what these ask for."""

from __future__ import annotations

from typing import Any

from efficientnet_operator.core.gang.strategy import Attempt
from efficientnet_operator.core.identity import ATTEMPT_LABEL, JOB_UID_LABEL
from efficientnet_operator.core.placement import REQUIRED
from efficientnet_operator.core.pod_requests import sum_requests
from efficientnet_operator.core.pods import PodBuilder


def build_members(attempt: Attempt) -> dict[str, Any]:
    """Return minMember and minResources: all pods of the attempt and the sum of their requests."""
    replicas = attempt.spec.replicas
    requests = sum_requests(
        PodBuilder(attempt.job, attempt.spec, attempt.number).build(0), replicas
    )
    return {"minMember": replicas, **({"minResources": requests} if requests else {})}


def keep_together(attempt: Attempt) -> dict[str, Any]:
    """Return a partial pod spec that holds all pods in one domain of ``topologyKey``.

    By required pod affinity among the pods of the attempt; the first of them may go anywhere.
    """
    key = attempt.spec.scheduling.topology_key
    if not key:
        return {}
    own = {JOB_UID_LABEL: attempt.job.uid, ATTEMPT_LABEL: str(attempt.number)}
    term = {"topologyKey": key, "labelSelector": {"matchLabels": own}}
    return {"affinity": {"podAffinity": {REQUIRED: [term]}}}
