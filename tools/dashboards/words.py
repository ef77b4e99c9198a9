"""What a panel's data is called: values in their units, names of series, rows of a table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from dashboards.answers import Curve, Labels

UNIT_WORDS = {"ops": "/s", "reqps": "/s", "watt": " W", "celsius": " °C", "percent": " %"}
SCALES = {
    "short": (1000, ("", " K", " M", " G")),
    "bytes": (1024, (" B", " KiB", " MiB", " GiB", " TiB")),
}


def name_series(legend: str, labels: Labels) -> str:
    """Return a legend with the labels of a series in it, as Grafana fills it."""
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), legend)


def color_of(value: float, panel: Any) -> str:
    """Return the colour of the highest threshold that a value reaches."""
    color = "green"
    for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            color = step["color"]
    return color


def tabulate(panel: Any, found: Mapping[str, list[Curve]]) -> tuple[list[str], list[list[str]]]:
    """Join a table panel's answers by their common labels, as its transformations tell.

    Returns:
        The head, and a row of words for each combination of labels.
    """
    tidy = next(t["options"] for t in panel["transformations"] if t["id"] == "organize")
    columns = sorted(tidy["indexByName"], key=tidy["indexByName"].__getitem__)
    units = {
        o["matcher"]["options"]: o["properties"][0]["value"]
        for o in panel["fieldConfig"]["overrides"]
    }
    shared = set.intersection(
        *(set(labels) for curves in found.values() for labels, _ in curves)
    ) & set(columns)
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for letter, curves in found.items():
        for labels, points in curves:
            row = rows.setdefault(tuple(labels[name] for name in sorted(shared)), {})
            row |= {name: labels[name] for name in columns if name in labels}
            name = tidy["renameByName"].get(f"Value #{letter}", "")
            unit = units.get(name, panel["fieldConfig"]["defaults"]["unit"])
            row[f"Value #{letter}"] = format_value(points[-1][1], unit)
    head = [tidy["renameByName"].get(column, column) for column in columns]
    return head, [[row.get(column, "") for column in columns] for _, row in sorted(rows.items())]


def format_value(value: float, unit: str) -> str:
    """Return a value as Grafana writes it in a unit, as nearly as a picture needs."""
    if not isfinite(value):
        return ""
    if unit == "percentunit":
        return f"{_round(100 * value)} %"
    if unit in {"s", "dtdurations"}:
        return _format_seconds(value)
    if unit in UNIT_WORDS:
        return f"{_round(value)}{UNIT_WORDS[unit]}"
    return _scale(value, *SCALES.get(unit, SCALES["short"]))


def _format_seconds(value: float) -> str:
    for limit, divisor, word in ((1, 0.001, "ms"), (120, 1, "s"), (7200, 60, "min")):
        if abs(value) < limit:
            return f"{_round(value / divisor)} {word}"
    return f"{_round(value / 3600)} h"


def _scale(value: float, base: int, words: Sequence[str]) -> str:
    """Return a value in the first of some units, each so many times the one before, that fits."""
    power = 0
    while abs(value) >= base and power < len(words) - 1:
        value /= base
        power += 1
    return f"{_round(value)}{words[power]}"


def _round(value: float) -> str:
    """Return three digits that count, or all of an integer part that has more."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
