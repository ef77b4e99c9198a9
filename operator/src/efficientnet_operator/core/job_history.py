"""Remember how the figures of each job went, so that a page can draw them; pure.

What is kept is bounded: so many points of a job, of which the older are thinned out, and
only of jobs that exist.  A restart of the operator begins anew; TensorBoard has it all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from efficientnet_operator.core.identity import Key

MAX_POINTS = 500
FIGURES = ("loss", "imagesPerSecond", "top1")


@dataclass(frozen=True, slots=True)
class Point:
    """What ``status.progress`` said at one step.

    Attributes:
        step: steps done.
        figures: of ``FIGURES`` those that were known.
    """

    step: int
    figures: Mapping[str, float]


@dataclass(slots=True)
class _Series:
    uid: str
    points: list[Point] = field(default_factory=list)


class History:
    """The points of all jobs."""

    def __init__(self) -> None:
        self._series: dict[Key, _Series] = {}

    def note(self, key: Key, document: Mapping[str, Any]) -> None:
        """Take in a job as it is stored; one without progress changes nothing."""
        uid = document["metadata"]["uid"]
        series = self._series.get(key)
        if series is None or series.uid != uid:
            series = self._series[key] = _Series(uid)
        progress = (document.get("status") or {}).get("progress") or {}
        step = progress.get("step")
        if not isinstance(step, int):
            return
        figures = {name: float(progress[name]) for name in FIGURES if name in progress}
        # A restart goes back to its checkpoint: what came after that did not happen.
        kept = [point for point in series.points if point.step < step]
        kept.append(Point(step, figures))
        if len(kept) > MAX_POINTS:
            # The first stays, and the newest, which the next look may replace.
            kept = [*kept[:-1:2], kept[-1]]
        series.points = kept

    def forget(self, key: Key) -> None:
        """Drop a job that is gone."""
        self._series.pop(key, None)

    def points(self, key: Key) -> list[Point]:
        """Return a job's points by ascending step; none of one that is not known."""
        series = self._series.get(key)
        return list(series.points) if series else []

    def curve(self, key: Key, figure: str) -> list[tuple[int, float]]:
        """Return (step, value) where a figure is known."""
        return [(p.step, p.figures[figure]) for p in self.points(key) if figure in p.figures]
