"""Choose the jobs that get time series of their own, and say what those tell.

Labels that name jobs are unbounded by nature; so there are only so many at a
time, and those of a finished job go away with it or soon after its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from efficientnet_operator.core.pod_view import parse_time

FINISHED_FOR = timedelta(hours=1)
"""How long a finished job keeps its series: its last figures should be seen on a dashboard."""
FINISHED = frozenset({"Succeeded", "Failed"})

Document = Mapping[str, Any]


def choose_jobs(
    documents: Iterable[Document], limit: int, now: datetime
) -> tuple[list[Document], int]:
    """Return the jobs that get series, and how many are left out for the limit alone.

    The oldest finished ones go first. Of those that run the oldest stay: a
    series that comes and goes is worth less than one that is not there.

    Args:
        documents: jobs as JSON.
        limit: how many may have series.
        now: the time.
    """
    alive: list[tuple[str, Document]] = []
    ended: list[tuple[datetime, Document]] = []
    for document in documents:
        if phase_of(document) not in FINISHED:
            created = (document.get("metadata") or {}).get("creationTimestamp") or ""
            alive.append((created, document))
            continue
        moment = parse_time(_status(document).get("completionTime"))
        if moment is not None and now - moment < FINISHED_FOR:
            ended.append((moment, document))
    alive.sort(key=lambda pair: pair[0])
    ended.sort(key=lambda pair: pair[0], reverse=True)
    wanted = [document for _, document in (*alive, *ended)]
    return wanted[:limit], max(len(wanted) - limit, 0)


def phase_of(document: Document) -> str:
    """Return a job's phase; Pending for one that nobody has looked at."""
    return str(_status(document).get("phase") or "Pending")


def figures_of(document: Document) -> dict[str, float]:
    """Return the figures of one job by the names of their metrics; unknown ones are left out."""
    status = _status(document)
    progress = status.get("progress") or {}
    updated = parse_time(progress.get("lastUpdated"))
    figures = {
        "attempt": status.get("attempt"),
        "npus": (document.get("spec") or {}).get("npus"),
        "step": progress.get("step"),
        "target_steps": progress.get("totalSteps"),
        "images_per_second": progress.get("imagesPerSecond"),
        "top1_ratio": progress.get("top1"),
        "progress_timestamp_seconds": updated.timestamp() if updated else None,
    }
    return {name: float(value) for name, value in figures.items() if value is not None}


def _status(document: Document) -> Mapping[str, Any]:
    return document.get("status") or {}
