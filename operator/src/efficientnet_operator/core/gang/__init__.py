"""How a job's pods are started together: one strategy for each ``scheduling.gang``.

A strategy adds at most one object that stands before the pods, and what each
pod says of it. ``none`` adds nothing; ``native`` uses Kubernetes' own PodGroup.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from efficientnet_operator.api.spec import EfficientNetJobSpec
from efficientnet_operator.core.gang import native, none
from efficientnet_operator.core.identity import JobRef

STRATEGIES: Mapping[str, ModuleType] = {"None": none, "Native": native}


@dataclass(frozen=True, slots=True)
class Gang:
    """What one attempt's gang adds.

    Attributes:
        group: the PodGroup to create before the pods; None where there is none.
        pod_patch: a partial pod merged into each trainer pod.
    """

    group: dict[str, Any] | None
    pod_patch: dict[str, Any]


def build_gang(job: JobRef, spec: EfficientNetJobSpec, attempt: int) -> Gang | None:
    """Return what ``scheduling.gang`` adds to an attempt; None for one that is not supported."""
    module = STRATEGIES.get(spec.scheduling.gang)
    if module is None:
        return None
    return Gang(module.build_group(job, spec, attempt), module.build_pod_patch(job, attempt))
