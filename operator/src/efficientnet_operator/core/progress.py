"""Turn what a trainer reports into ``status.progress``.

While it runs, rank 0's ``/progress`` is the source; at the end the termination
message of rank 0 is, because a poll may have missed the last steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from efficientnet_operator.core.conditions import format_time

COPIED = ("phase", "epoch", "imagesPerSecond", "loss", "learningRate", "top1", "top5")


def parse_progress(document: Any, rank: int = 0) -> dict[str, Any] | None:
    """Return the entry of one rank in a ``/progress`` answer; None where there is none."""
    ranks = document.get("ranks") if isinstance(document, dict) else None
    for entry in ranks if isinstance(ranks, list) else []:
        if isinstance(entry, dict) and entry.get("rank") == rank:
            return entry
    return None


def build_progress(entry: Mapping[str, Any], total_steps: int, now: datetime) -> dict[str, Any]:
    """Return status.progress from one rank's entry; figures that are not numbers are left out."""
    progress: dict[str, Any] = {
        key: entry[key] for key in COPIED if _is_figure(key, entry.get(key))
    }
    progress["totalSteps"] = total_steps
    step = entry.get("step")
    if isinstance(step, int):
        progress["step"] = step
        progress["percent"] = round(100 * min(step, total_steps) / total_steps, 1)
    eta = entry.get("etaSeconds")
    if _is_figure("etaSeconds", eta) and eta is not None:
        progress["etaSeconds"] = round(eta)
    progress["lastUpdated"] = format_time(now)
    return progress


def finish_progress(
    progress: Mapping[str, Any], report: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """Return the last progress with the final figures of rank 0's termination message."""
    final = {**progress, "phase": "done", "etaSeconds": 0, "lastUpdated": format_time(now)}
    final.update(
        {k: report[k] for k in ("step", "loss", "top1", "top5") if _is_figure(k, report.get(k))}
    )
    total = final.get("totalSteps")
    if isinstance(final.get("step"), int) and total:
        final["percent"] = round(100 * min(final["step"], total) / total, 1)
    return final


def _is_figure(key: str, value: Any) -> bool:
    if key == "phase":
        return isinstance(value, str)
    # NaN and infinities are no JSON; the API server would refuse the whole status.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
