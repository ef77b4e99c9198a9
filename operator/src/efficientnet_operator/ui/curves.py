"""Draw a curve as SVG, for a page without scripts; pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 640
HEIGHT = 200
LEFT = 64
"""Pixels for the labels of the values."""
BOTTOM = 24
TOP = RIGHT = 12
TINY = 1e-300
"""Below it floats lose digits, and so do the powers of ten that ticks are made of."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A label on an axis: where, in pixels, and what it says."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Curve:
    """What a template needs to draw one figure.

    Attributes:
        title: name of the figure, with its unit.
        points: of the polyline, ``x,y x,y ...`` in pixels.
        last: the newest value, in words.
        rows: ticks of the values.
        columns: ticks of the steps.
    """

    title: str
    points: str
    last: str
    rows: tuple[Tick, ...]
    columns: tuple[Tick, ...]


def draw(title: str, series: Sequence[tuple[int, float]]) -> Curve | None:
    """Return the curve of (step, value); None where there are fewer than two."""
    if len(series) < 2:
        return None
    steps = [step for step, _ in series]
    values = [value for _, value in series]
    rows = find_ticks(min(values), max(values))
    low, high = min(rows[0], *values), max(rows[-1], *values)
    first, last = steps[0], steps[-1]

    def x(step: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (step - first) / (last - first), 1)

    def y(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low), 1)

    columns = [step for step in find_ticks(first, last) if first <= step <= last]
    return Curve(
        title=title,
        points=" ".join(f"{x(step)},{y(value)}" for step, value in series),
        last=f"{values[-1]:.4g}",
        rows=tuple(Tick(y(value), f"{value:.4g}") for value in rows),
        columns=tuple(Tick(x(step), f"{step:g}") for step in columns),
    )


def find_ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Return round numbers, 1, 2 or 5 times a power of ten apart, from below low to above high.

    >>> find_ticks(0, 350)
    [0.0, 100.0, 200.0, 300.0, 400.0]
    """
    size = max(abs(low), abs(high))
    if high - low <= max(size * 1e-6, TINY):
        # A constant but for rounding: there is nothing round in between.
        margin = size / 10 if size > TINY else 1.0
        low, high = low - margin, high + margin
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    apart = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / apart + 1e-9), math.ceil(high / apart - 1e-9)
    return [n * apart for n in range(first, last + 1)]
