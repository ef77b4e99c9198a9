"""Say what a write of the status means for those who count: ``compare(job, old, new, now)``.

Pure: old and new status go in, the transition and the milestones come out.
What the status stores is what makes each of them count once, over restarts of
the operator too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from efficientnet_operator.api.spec import EfficientNetJob
from efficientnet_operator.core.failure import KNOWN_REASONS
from efficientnet_operator.core.pod_view import parse_time
from efficientnet_operator.core.progress import STARTING

Status = Mapping[str, Any]
Milestone = Literal["scheduled", "allocated", "table", "first_step"]

OTHER_REASON = "Other"
"""Stands for what a trainer invents: it must not become a series each."""
NOT_STEPPING = STARTING | {"", "done"}
"""Phases of a trainer in which no step of this attempt was seen."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one write of the status changed.

    Attributes:
        phases: old and new phase; None where phase and attempt stay as they are.
        attempt: the attempt that the new status speaks of.
        restarted_for: reason of a restart, one of a bounded set; "" where there is none.
        rank: that failed first, where a failure is what changed and its rank is known.
        seconds: of the milestones reached now, how long each took.
    """

    phases: tuple[str, str] | None = None
    attempt: int = 0
    restarted_for: str = ""
    rank: int | None = None
    seconds: Mapping[Milestone, float] = field(default_factory=dict)


def compare(job: EfficientNetJob, old: Status, new: Status, now: datetime) -> Change:
    """Return what a write of ``new`` over ``old`` changes.

    Args:
        job: whose status it is.
        old: the status as it was observed.
        new: the status as it was written.
        now: when it was decided.
    """
    phases = (str(old.get("phase") or "New"), str(new.get("phase") or "Pending"))
    attempt = _count(new, "attempt")
    moved = phases[0] != phases[1] or attempt != _count(old, "attempt")
    failure = _part(new, "failure")
    restarted_for = ""
    if _count(new, "restarts") > _count(old, "restarts"):
        reason = failure.get("reason")
        restarted_for = reason if reason in KNOWN_REASONS else OTHER_REASON
    return Change(
        phases=phases if moved else None,
        attempt=attempt,
        restarted_for=restarted_for,
        rank=failure.get("rank") if failure != _part(old, "failure") else None,
        seconds=_milestones(job, old, new, now),
    )


def _milestones(
    job: EfficientNetJob, old: Status, new: Status, now: datetime
) -> dict[Milestone, float]:
    reached: dict[Milestone, Callable[[Status], bool]] = {
        "scheduled": lambda status: _is_true(status, "Scheduled"),
        "allocated": _is_allocated,
        "table": lambda status: bool(_part(status, "rankTable")),
    }
    if job.spec.training.mode in ("Train", "TrainAndEval"):  # others make no step
        reached["first_step"] = _makes_steps
    start = _start(job, new)
    if start is None:
        return {}
    # Another machine's clock tells when a job was created.
    took = max((now - start).total_seconds(), 0.0)
    return {name: took for name, holds in reached.items() if holds(new) and not holds(old)}


def _start(job: EfficientNetJob, status: Status) -> datetime | None:
    """Return from when on people wait for an attempt: a back-off delay before it is left out."""
    if _count(status, "attempt") > 1:
        return parse_time(status.get("attemptStartTime"))
    resumed = _condition(status, "Suspended").get("status") == "False"
    created = job.metadata.creation_timestamp
    return parse_time(status.get("startTime")) if resumed or created is None else created


def _is_allocated(status: Status) -> bool:
    npus = _part(status, "npus")
    return 0 < _count(npus, "total") <= _count(npus, "allocated")


def _makes_steps(status: Status) -> bool:
    progress = _part(status, "progress")
    return "step" in progress and (progress.get("phase") or "") not in NOT_STEPPING


def _is_true(status: Status, kind: str) -> bool:
    return _condition(status, kind).get("status") == "True"


def _condition(status: Status, kind: str) -> Status:
    found = (c for c in status.get("conditions") or [] if c.get("type") == kind)
    return next(found, {})


def _part(status: Status, name: str) -> Status:
    return status.get(name) or {}


def _count(status: Status, name: str) -> int:
    return int(status.get(name) or 0)
