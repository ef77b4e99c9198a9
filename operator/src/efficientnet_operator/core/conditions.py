"""Conditions of a job: a list keyed by type whose times move only when the status flips.

The phase is derived from them, for people; programs read the conditions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from efficientnet_operator.core.pod_view import parse_time

# From what a reader wants to know first to what comes before it.
PHASES = (
    ("Failed", "Failed"),
    ("Succeeded", "Succeeded"),
    ("Suspended", "Suspended"),
    ("Running", "Running"),
    ("Restarting", "Restarting"),
    ("Allocated", "Starting"),
    ("Scheduled", "Allocating"),
    ("Created", "Pending"),
)


def format_time(moment: datetime) -> str:
    """Return RFC 3339 with microseconds: seconds would hide how long a table took."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class Conditions:
    """A job's conditions while one reconciliation changes them.

    Attributes:
        items: condition type to condition, in the order they first appeared.
        generation: the generation of the spec that this reconciliation looked at.
        now: the time that a flipped condition gets.
    """

    items: dict[str, dict[str, Any]]
    generation: int
    now: datetime
    changed: list[tuple[str, bool, str, str]] = field(default_factory=list)

    @classmethod
    def parse(
        cls, conditions: Sequence[Mapping[str, Any]], generation: int, now: datetime
    ) -> Conditions:
        """Return the conditions of a status."""
        return cls({c["type"]: dict(c) for c in conditions}, generation, now)

    def set(self, kind: str, status: bool, reason: str, message: str = "") -> None:
        """Set a condition; ``changed`` remembers it where status or reason is new."""
        old = self.items.get(kind, {})
        text = "True" if status else "False"
        flipped = old.get("status") != text
        if flipped or old.get("reason") != reason:
            self.changed.append((kind, status, reason, message))
        self.items[kind] = {
            "type": kind,
            "status": text,
            "reason": reason,
            "message": message,
            "observedGeneration": self.generation,
            "lastTransitionTime": (not flipped and old.get("lastTransitionTime"))
            or format_time(self.now),
        }

    def clear(self, kind: str, reason: str, message: str = "") -> None:
        """Set a condition to False if it is True; one that never was stays absent."""
        if self.is_true(kind):
            self.set(kind, False, reason, message)

    def withdraw(self, kind: str, reason: str) -> None:
        """Set a condition to False whatever it said; one that never was stays absent."""
        if kind in self.items:
            self.set(kind, False, reason)

    def is_true(self, kind: str) -> bool:
        """Tell whether a condition is True."""
        return self.items.get(kind, {}).get("status") == "True"

    def since(self, kind: str) -> datetime | None:
        """Return when a condition took its status; None where it never had one."""
        return parse_time(self.items.get(kind, {}).get("lastTransitionTime"))

    def to_list(self) -> list[dict[str, Any]]:
        """Return them as the status stores them."""
        return list(self.items.values())

    def phase(self) -> str:
        """Return the one word that tells a person where the job stands."""
        return next((word for kind, word in PHASES if self.is_true(kind)), "Pending")
