"""Tables for notebooks; pure. Everything that comes from the cluster is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from html import escape
from typing import TYPE_CHECKING

from efficientnet_operator.sdk.columns import COLUMNS, job_row

if TYPE_CHECKING:
    from efficientnet_operator.sdk.state import JobState, Result


def render_jobs(states: Sequence[JobState]) -> str:
    """Return a table with a row for each job; of one that waits, with a line that says why."""
    rows = [job_row(state) for state in states]
    table = _table(COLUMNS, rows)
    reasons = [f"{s.namespace}/{s.name}: {s.why}" for s in states if s.why]
    return table + "".join(f"<p>{escape(reason)}</p>" for reason in reasons)


def render_result(result: Result) -> str:
    """Return a table of two columns: what, and its value."""
    rows = [(key, "" if value is None else str(value)) for key, value in asdict(result).items()]
    return _table(("what", "value"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_row("th", head), *(_row("td", row) for row in rows)]
    return f"<table>{''.join(lines)}</table>"


def _row(tag: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"
