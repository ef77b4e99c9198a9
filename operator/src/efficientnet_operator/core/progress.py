"""Turn what a trainer reports into ``status.progress``.

While it runs, rank 0's ``/progress`` is the source; at the end the termination
message of rank 0 is, because a poll may have missed the last steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeGuard

from efficientnet_operator.core.conditions import format_time

DIGITS = {"epoch": 2, "imagesPerSecond": 1, "loss": 4, "learningRate": 8, "top1": 4, "top5": 4}
"""Figures that are copied, and how many decimals a person wants to see of each."""


def parse_progress(document: Any, rank: int = 0) -> dict[str, Any] | None:
    """Return the entry of one rank in a ``/progress`` answer; None where there is none."""
    ranks = document.get("ranks") if isinstance(document, dict) else None
    for entry in ranks if isinstance(ranks, list) else []:
        if isinstance(entry, dict) and entry.get("rank") == rank:
            return entry
    return None


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


def _round_figures(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {k: round(entry[k], digits) for k, digits in DIGITS.items() if _is_figure(entry.get(k))}


def is_count(value: Any) -> TypeGuard[int]:
    """Tell whether a reported value fits an integer of the status: a JSON whole number."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_figure(value: Any) -> TypeGuard[float]:
    # NaN and infinities are no JSON; the API server would refuse the whole status.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
