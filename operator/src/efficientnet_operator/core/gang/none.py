"""No gang: pods start as the scheduler finds room for each."""

from __future__ import annotations

from typing import Any

from efficientnet_operator.api.spec import EfficientNetJobSpec
from efficientnet_operator.core.identity import JobRef


def build_group(job: JobRef, spec: EfficientNetJobSpec, attempt: int) -> dict[str, Any] | None:
    """Return no object."""
    return None


def build_pod_patch(job: JobRef, attempt: int) -> dict[str, Any]:
    """Return no change."""
    return {}
