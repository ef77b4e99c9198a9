"""Everything that commands print, as text; pure.

Tables are those of kubectl: capitals, columns padded by spaces, nothing else, so that a
person reads them and ``awk`` does too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import Any

from efficientnet_operator.core.pod_view import parse_time
from efficientnet_operator.core.status_words import cut_line
from efficientnet_operator.sdk.columns import (
    COLUMNS,
    WIDE_COLUMNS,
    format_duration,
    format_figure,
    format_steps,
    job_row,
    wide_row,
)
from efficientnet_operator.sdk.flows import when_of
from efficientnet_operator.sdk.ranks import RankState
from efficientnet_operator.sdk.state import JobState

Document = Mapping[str, Any]


class Form(StrEnum):
    """How a command prints what it found."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


class DataForm(StrEnum):
    """The same of a command that has one table and no names."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def format_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return lines of a table; an empty cell is shown as it is."""
    table = [list(head), *([*row] for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    return [
        "   ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def format_data(value: Any, form: Form | DataForm) -> str:
    """Return a value as YAML where that is the form, else as JSON."""
    if form == DataForm.YAML:
        import yaml

        return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
    return json.dumps(value, indent=2) + "\n"


def format_jobs(states: Sequence[JobState], form: Form, now: datetime) -> str:
    """Return jobs in the wanted form, by namespace and name."""
    states = sorted(states, key=lambda s: (s.namespace, s.name))
    if form in (Form.JSON, Form.YAML):
        items = [dict(state.document) for state in states]
        return format_data({"apiVersion": "v1", "kind": "List", "items": items}, form)
    if form is Form.NAME:
        return "".join(f"{name_of(state)}\n" for state in states)
    if form is Form.WIDE:
        lines = format_table(WIDE_COLUMNS, (wide_row(s, now) for s in states))
    else:
        lines = format_table(COLUMNS, (job_row(s, now) for s in states))
    return join(lines)


def name_of(state: JobState) -> str:
    """Return what ``kubectl -o name`` calls a job."""
    return f"efficientnetjob.efficientnet.dev/{state.name}"


def format_top(states: Sequence[JobState]) -> list[str]:
    """Return the jobs that hold NPUs, the largest first, and their sum."""
    head = ("NAMESPACE", "NAME", "PHASE", "NPUS", "IMAGES/S", "PER NPU", "STEP", "ETA")
    holding = [s for s in states if not s.finished and count_npus(s)]
    holding.sort(key=lambda s: (-count_npus(s), s.namespace, s.name))
    rows, speed = [], 0.0
    for state in holding:
        progress = state.status.get("progress") or {}
        rate, npus = progress.get("imagesPerSecond"), count_npus(state)
        per_npu = rate / npus if isinstance(rate, int | float) else None
        speed += rate if isinstance(rate, int | float) else 0
        figures = (format_figure(rate, 1), format_figure(per_npu, 1), format_steps(progress))
        eta = format_duration(progress.get("etaSeconds"))
        rows.append((state.namespace, state.name, state.phase, str(npus), *figures, eta))
    total = sum(map(count_npus, holding))
    rows.append(("", f"{len(holding)} jobs", "", str(total), format_figure(speed, 1), "", "", ""))
    return format_table(head, rows)


def count_npus(state: JobState) -> int:
    """Return the NPUs that a job has been given so far."""
    return int((state.status.get("npus") or {}).get("allocated") or 0)


def format_ranks(ranks: Sequence[RankState], most: int | None = None) -> list[str]:
    """Return a table of ranks; of many, a sum and at most ``most`` of those that do not run."""
    head = ("RANK", "POD", "NODE", "NPU", "STATE", "WORDS")
    shown = list(ranks)
    lines: list[str] = []
    if most is not None and len(ranks) > most:
        counts: dict[str, int] = {}
        for rank in ranks:
            counts[rank.state] = counts.get(rank.state, 0) + 1
        words = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
        lines.append(f"{len(ranks)} ranks: {words}")
        amiss = [rank for rank in ranks if rank.state not in ("Running", "Succeeded")]
        shown = amiss[:most]
        if len(amiss) > most:
            lines.append(f"the first {most} that do not run:")
    rows = [
        (_text(r.rank), r.pod, r.node, _text(r.npu), r.state, cut_line(r.words)) for r in shown
    ]
    return [*lines, *(format_table(head, rows) if rows else [])]


def ranks_as_data(ranks: Sequence[RankState]) -> list[dict[str, Any]]:
    """Return the ranks as JSON has them."""
    return [asdict(rank) for rank in ranks]


def format_rank_table(table: Document) -> list[str]:
    """Return an HCCL rank table of either form as lines, by rank."""
    head = ("RANK", "SERVER", "DEVICE", "DEVICE IP")
    rows: list[tuple[str, str, str, str]] = []
    for server in table.get("server_list") or []:
        for device in server.get("device") or []:
            where = (str(server.get("server_id")), str(device.get("device_id")))
            rows.append((str(device.get("rank_id", "")), *where, str(device.get("device_ip"))))
    for group in table.get("group_list") or []:
        for instance in group.get("instance_list") or []:
            for device in instance.get("devices") or []:
                where = (str(instance.get("server_id")), str(device.get("device_id")))
                # In this form HCCL derives the ranks itself.
                rows.append(("", *where, str(device.get("device_ip"))))
    return format_table(head, rows)


def format_events(events: Sequence[Document], now: datetime) -> list[str]:
    """Return a table of events, oldest first."""
    rows = []
    for event in events:
        moment = parse_time(when_of(event))
        age = format_duration((now - moment).total_seconds()) if moment else ""
        count = (event.get("series") or {}).get("count") or event.get("count") or 1
        words = cut_line(event.get("message"))
        kind, reason = str(event.get("type", "")), str(event.get("reason", ""))
        rows.append((age, kind, reason, str(count), words))
    return format_table(("AGE", "TYPE", "REASON", "COUNT", "MESSAGE"), rows)


def join(lines: Iterable[str]) -> str:
    """Return lines as text."""
    return "".join(f"{line}\n" for line in lines)


def _text(value: int | None) -> str:
    return "" if value is None else str(value)
