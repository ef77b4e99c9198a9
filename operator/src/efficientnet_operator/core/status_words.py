"""What a job's status says, in words: conditions that are not met, failures, attempts.

Pure, and light: ``explanation`` adds the operator's plan to it, and the command line for
people shows it before anything large is imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from efficientnet_operator.core.pod_view import parse_time

AWAITED = ("Created", "Scheduled", "Allocated", "Running")
"""Conditions that come up one after the other until a job trains."""
LINE = 300
"""Characters of a message that are shown."""

Document = Mapping[str, Any]


def find_unmet(status: Document) -> list[Document]:
    """Return the conditions that are not as a job that trains has them, none of a finished one."""
    conditions = {c["type"]: c for c in status.get("conditions") or []}
    if _holds(conditions, "Succeeded"):
        return []
    if _holds(conditions, "Failed"):
        return [conditions["Failed"]]
    hindering = [conditions[k] for k in ("Suspended", "Restarting") if _holds(conditions, k)]
    missing = [conditions[k] for k in AWAITED if k in conditions and not _holds(conditions, k)]
    return [*hindering, *missing]


def _holds(conditions: Mapping[str, Document], kind: str) -> bool:
    return conditions.get(kind, {}).get("status") == "True"


def describe_condition(condition: Document, now: datetime) -> str:
    """Return a condition with its reason, since when it is so, and its message, in a line."""
    since = parse_time(condition.get("lastTransitionTime"))
    age = f" for {describe_time((now - since).total_seconds())}" if since else ""
    words = cut_line(condition.get("message"))
    reason = condition.get("reason", "")
    return f"{condition['type']}={condition['status']} {reason}{age}" + (
        f": {words}" * bool(words)
    )


def describe_failure(failure: Document) -> Iterator[str]:
    """Yield the lines of ``status.failure``; none where nothing failed."""
    if not failure:
        return
    named = {"attempt": "attempt", "rank": "rank", "pod": "pod", "node": "node", "npu": "NPU",
             "exitCode": "exit code"}  # fmt: skip
    facts = [f"{word} {failure[key]}" for key, word in named.items() if key in failure]
    yield f"{failure.get('reason', '')}: {', '.join(facts)}"
    if failure.get("message"):
        yield cut_line(failure["message"])


def describe_attempt(record: Document) -> str:
    """Return a record of ``status.history`` in a line."""
    charged = "charged" if record.get("charged") else "not charged"
    facts = [str(record.get("reason") or "ended"), charged]
    if "step" in record:
        facts.append(f"at step {record['step']}")
    start, end = parse_time(record.get("startTime")), parse_time(record.get("completionTime"))
    if start and end:
        facts.append(f"after {describe_time((end - start).total_seconds())}")
    return f"{record.get('attempt')}: {', '.join(facts)}"


def describe_time(seconds: float) -> str:
    """Return a duration as people say it: seconds, then minutes, then hours."""
    if seconds < 120:
        return f"{max(seconds, 0):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def cut_line(message: Any) -> str:
    """Return a message as one line of at most ``LINE`` characters."""
    line = " ".join(str(message or "").split())
    return line if len(line) <= LINE else line[: LINE - 3] + "..."
