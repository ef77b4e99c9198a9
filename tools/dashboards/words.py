"""What a panel's data is called: values in their units, names of series, rows of a table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any

from dashboards.answers import Curve, Labels

UNIT_WORDS = {"ops": "/s", "reqps": "/s", "watt": " W", "celsius": " °C", "percent": " %"}


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
        return f"{100 * value:.3g} %"
    if unit in {"s", "dtdurations"}:
        return _format_seconds(value)
    if unit == "bytes":
        return _scale(value, 1024, (" B", " KiB", " MiB", " GiB"))
    if unit in UNIT_WORDS:
        return f"{value:.3g}{UNIT_WORDS[unit]}"
    return _scale(value, 1000, ("", " K", " M"))


def _format_seconds(value: float) -> str:
    if abs(value) < 1:
        return f"{1000 * value:.3g} ms"
    if abs(value) < 120:
        return f"{value:.3g} s"
    return f"{value / 60:.3g} min" if abs(value) < 7200 else f"{value / 3600:.3g} h"


def _scale(value: float, base: int, words: tuple[str, ...]) -> str:
    for word in words[:-1]:
        if abs(value) < base:
            return f"{value:.3g}{word}"
        value /= base
    return f"{value:.3g}{words[-1]}"
