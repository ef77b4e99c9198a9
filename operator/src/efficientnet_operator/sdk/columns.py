"""A job's figures as cells of text, for terminals and notebooks alike; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from efficientnet_operator.sdk.state import JobState

COLUMNS = ("NAMESPACE", "NAME", "PHASE", "NPUS", "STEP", "IMAGES/S", "LOSS", "TOP-1", "ETA",
           "RESTARTS", "AGE")  # fmt: skip
WIDE_COLUMNS = (*COLUMNS, "ATTEMPT", "ACCELERATOR", "MODEL", "WHY")


def job_row(state: JobState, now: datetime | None = None) -> tuple[str, ...]:
    """Return the cells of ``COLUMNS``; what is not known yet is empty."""
    now = now or datetime.now(UTC)
    progress = state.status.get("progress") or {}
    age = format_duration((now - state.created).total_seconds()) if state.created else ""
    return (
        state.namespace,
        state.name,
        state.phase,
        str(state.spec.get("npus", "")),
        format_steps(progress),
        format_figure(progress.get("imagesPerSecond"), 1),
        format_figure(progress.get("loss"), 4),
        format_figure(progress.get("top1"), 3),
        "" if state.finished else format_duration(progress.get("etaSeconds")),
        str(state.status.get("restarts") or 0),
        age,
    )


def wide_row(state: JobState, now: datetime | None = None) -> tuple[str, ...]:
    """Return the cells of ``WIDE_COLUMNS``."""
    return (
        *job_row(state, now),
        str(state.attempt or ""),
        str(state.spec.get("accelerator", "")),
        str((state.spec.get("model") or {}).get("name", "")),
        state.why,
    )


def format_steps(progress: Mapping[str, Any]) -> str:
    """Return ``step/totalSteps``, or what is known of it."""
    if "step" not in progress:
        return ""
    total = progress.get("totalSteps")
    return f"{progress['step']}/{total}" if total else str(progress["step"])


def format_figure(value: object, digits: int) -> str:
    """Return a number with a fixed number of decimals; "" for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return f"{value:,.{digits}f}"


def format_duration(seconds: object) -> str:
    """Return a duration as kubectl has it: ``45s``, ``12m``, ``3h20m``, ``2d4h``.

    >>> format_duration(12_000)
    '3h20m'
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return ""
    rest = max(int(seconds), 0)
    if rest < 120:
        return f"{rest}s"
    minutes, hours, days = rest // 60, rest // 3600, rest // 86400
    if minutes < 120:
        return f"{minutes}m"
    if hours < 48:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
