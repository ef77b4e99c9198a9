"""Decide who of several operators may write: one Lease, held by renewing it.

The times in a Lease are its holder's; clocks differ, so what counts is how long
it has not changed by the own clock. Source: the protocol of client-go's
leaderelection package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from efficientnet_operator.core.conditions import format_time

DURATION_S = 10.0
"""An operator that does not renew for so long has lost the Lease."""


@dataclass(frozen=True, slots=True)
class Sight:
    """When a version of the Lease was first seen, by the own steady clock, in seconds."""

    version: str
    at: float


def look(lease: Mapping[str, Any], before: Sight | None, clock: float) -> Sight:
    """Return the sight of a Lease: a version that was seen before keeps its time."""
    version = str(lease["metadata"]["resourceVersion"])
    return before if before and before.version == version else Sight(version, clock)


def may_take(lease: Mapping[str, Any], me: str, sight: Sight, clock: float) -> bool:
    """Tell whether the Lease is ours, given up, or not renewed for its whole duration."""
    spec = lease.get("spec") or {}
    holder = spec.get("holderIdentity") or ""
    duration = float(spec.get("leaseDurationSeconds") or DURATION_S)
    return holder in {"", me} or clock - sight.at >= duration


def build_lease(
    namespace: str, name: str, me: str, now: datetime, old: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the Lease as ``me`` holds it from ``now`` on; "" as ``me`` gives it up."""
    before = (old or {}).get("spec") or {}
    stamp = format_time(now)
    same = before.get("holderIdentity") == me
    transitions = int(before.get("leaseTransitions") or 0)
    spec = {
        "holderIdentity": me,
        "leaseDurationSeconds": int(DURATION_S) if me else 1,
        "acquireTime": before.get("acquireTime", stamp) if same or not me else stamp,
        "renewTime": stamp,
        "leaseTransitions": transitions + (bool(old) and not same and bool(me)),
    }
    metadata: dict[str, Any] = {"namespace": namespace, "name": name}
    if old:
        metadata["resourceVersion"] = old["metadata"]["resourceVersion"]
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": spec,
    }
