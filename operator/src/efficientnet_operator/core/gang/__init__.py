"""How a job's pods are started together: one strategy for each ``scheduling.gang``.

What differs stands in the strategies; here is what they have in common: which
version of their API is used, the object around the spec, and what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from efficientnet_operator.core.gang import coscheduling, native, none, volcano
from efficientnet_operator.core.gang.strategy import Attempt, Strategy
from efficientnet_operator.core.identity import child_metadata
from efficientnet_operator.core.resources import Resource

STRATEGIES: Mapping[str, Strategy] = {
    "None": none.STRATEGY,
    "Native": native.STRATEGY,
    "Volcano": volcano.STRATEGY,
    "Coscheduling": coscheduling.STRATEGY,
}


@dataclass(frozen=True, slots=True)
class Gang:
    """What one attempt's gang adds.

    Attributes:
        strategy: how its pods are started together.
        group: the PodGroup to create before the pods; None where there is none.
        pod_patch: a partial pod merged into each trainer pod.
    """

    strategy: Strategy
    group: dict[str, Any] | None
    pod_patch: dict[str, Any]


def build_gang(attempt: Attempt, absent: Mapping[Resource, str]) -> Gang | None:
    """Return what ``scheduling.gang`` adds to an attempt; None where its API is absent.

    Args:
        attempt: the attempt.
        absent: the APIs that cannot be used.
    """
    strategy = strategy_of(attempt)
    if strategy.build_spec is None:
        return Gang(strategy, None, {})
    resource = next((r for r in strategy.resources if r not in absent), None)
    if resource is None:
        return None
    group = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": child_metadata(attempt.job, attempt.number, attempt.group_name),
        "spec": strategy.build_spec(attempt, resource),
    }
    return Gang(strategy, group, strategy.build_pod_patch(attempt))


def strategy_of(attempt: Attempt) -> Strategy:
    """Return the strategy of a job."""
    return STRATEGIES[attempt.spec.scheduling.gang]
