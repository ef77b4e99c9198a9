"""Turn what a trainer reports into ``status.progress``.

While it runs, rank 0's ``/progress`` is the source; at the end the termination
message of rank 0 is, because a poll may have missed the last steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeGuard

from efficientnet_operator.core.conditions import format_time

DIGITS = {"epoch": 2, "imagesPerSecond": 1, "loss": 4, "learningRate": 8, "top1": 4, "top5": 4}
"""Figures that are copied, and how many decimals a person wants to see of each."""


STARTING = frozenset({"waiting", "compiling"})
"""Phases before an attempt's first step, in which nobody can say how long a step takes."""


@dataclass(frozen=True, slots=True)
class RankReport:
    """What one rank said of itself.

    Attributes:
        rank: its number.
        pod: the name of its pod.
        entry: its entry of ``/progress``.
        silent_s: seconds from its last step, evaluated batch or entry into a phase to the
            answer, both by its own clock; None before its first step.
    """

    rank: int
    pod: str
    entry: Mapping[str, Any]
    silent_s: float | None = None


def parse_progress(document: Any, pod: str, answered_at: float) -> list[RankReport]:
    """Return the readable entries of a ``/progress`` answer.

    Args:
        document: what a pod answered.
        pod: its name.
        answered_at: when, by the pod's clock, in Unix seconds. Not the entry's heartbeat: that
            of a process which is frozen stands still, as its last step does.
    """
    ranks = document.get("ranks") if isinstance(document, dict) else None
    reports = []
    for entry in ranks if isinstance(ranks, list) else []:
        rank = entry.get("rank") if isinstance(entry, dict) else None
        if is_count(rank):
            reports.append(RankReport(rank, pod, entry, _silence(entry, answered_at)))
    return reports


def _silence(entry: Mapping[str, Any], answered_at: float) -> float | None:
    last = entry.get("lastProgress")
    if entry.get("phase") in STARTING or not _is_figure(last):
        return None
    return max(answered_at - last, 0.0)


def find_most_silent(reports: Sequence[RankReport]) -> RankReport | None:
    """Return the rank whose last progress is the oldest: the first to stop; then the lowest."""
    heard = [r for r in reports if r.silent_s is not None]
    return min(heard, key=lambda r: (-(r.silent_s or 0), r.rank), default=None)


def build_progress(entry: Mapping[str, Any], total_steps: int, now: datetime) -> dict[str, Any]:
    """Return status.progress from one rank's entry; figures that are not numbers are left out."""
    progress = _round_figures(entry)
    if isinstance(entry.get("phase"), str):
        progress["phase"] = entry["phase"]
    progress["totalSteps"] = total_steps
    step = entry.get("step")
    if is_count(step):
        progress["step"] = step
        progress["percent"] = round(100 * min(step, total_steps) / total_steps, 1)
    eta = entry.get("etaSeconds")
    if _is_figure(eta):
        progress["etaSeconds"] = round(eta)
    progress["lastUpdated"] = format_time(now)
    return progress


def finish_progress(
    progress: Mapping[str, Any], report: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """Return the last progress with the final figures of rank 0's termination message."""
    final = {**progress, "phase": "done", "etaSeconds": 0, "lastUpdated": format_time(now)}
    final.update(_round_figures({k: report.get(k) for k in ("loss", "top1", "top5")}))
    if is_count(report.get("step")):
        final["step"] = report["step"]
    total = final.get("totalSteps")
    if is_count(final.get("step")) and total:
        final["percent"] = round(100 * min(final["step"], total) / total, 1)
    return final


def halt_progress(progress: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stays true of a gang that runs no longer: where it was, not how fast it is."""
    return {
        k: v for k, v in progress.items() if k not in {"phase", "imagesPerSecond", "etaSeconds"}
    }


def _round_figures(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {k: round(entry[k], digits) for k, digits in DIGITS.items() if _is_figure(entry.get(k))}


def is_count(value: Any) -> TypeGuard[int]:
    """Tell whether a reported value fits an integer of the status: a JSON whole number."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_figure(value: Any) -> TypeGuard[float]:
    # NaN and infinities are no JSON; the API server would refuse the whole status.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
