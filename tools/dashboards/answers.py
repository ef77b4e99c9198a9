"""Ask a Prometheus what a dashboard asks: the data that Grafana would show."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitoring_lab.prometheus import Prometheus

Labels = dict[str, str]
Curve = tuple[Labels, list[tuple[float, float]]]
"""A series: its labels, and pairs of Unix seconds and value."""


@dataclass(frozen=True)
class Span:
    """The time that a dashboard shows, in Unix seconds.

    Attributes:
        begin: of its curves.
        now: what figures and tables tell of.
        end: of its curves.
        points: of a curve.
    """

    begin: float
    now: float
    end: float
    points: int


def fill(query: str, values: Mapping[str, str]) -> str:
    """Return a query with a dashboard's variables replaced.

    Args:
        query: with variables as ``$name`` or ``${name}``.
        values: variable to value.

    Raises:
        ValueError: a variable has no value.
    """

    def replace(variable: re.Match[str]) -> str:
        name = variable[1] or variable[2]
        if name not in values:
            known = ", ".join(values)
            raise ValueError(f"{query}: {variable[0]} has no value; there are some for {known}")
        return values[name]

    return re.sub(r"\$(?:(\w+)|\{([^}]*)\})", replace, query)


def key_of(panel: Mapping[str, Any], target: Mapping[str, Any]) -> str:
    """Return what the answers to a panel's query are kept under."""
    return f"{panel['id']}{target['refId']}"


def ask(
    board: Mapping[str, Any], values: Mapping[str, str], prometheus: Prometheus, span: Span
) -> dict[str, list[Curve]]:
    """Return what each query of a dashboard returns, under its `key_of`.

    A query that is no curve has one point a series.

    Raises:
        ValueError: a query cannot be answered.
    """
    answers: dict[str, list[Curve]] = {}
    step_s = (span.end - span.begin) / span.points
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            expr = fill(target["expr"], values)
            if target["range"]:
                found = prometheus.query_range(expr, span.begin, span.end, step_s)
            else:
                now = prometheus.query(expr, span.now)
                found = [(labels, [(span.now, value)]) for labels, value in now]
            answers[key_of(panel, target)] = found
    return answers
