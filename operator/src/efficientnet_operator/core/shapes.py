"""Read JSON that somebody else wrote: a part of another shape than expected counts as absent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WORDS_LENGTH = 1024
"""What is quoted at most; a condition has room for more, and people do not read more."""


def words(value: Any) -> str:
    """Return what somebody else said, as far as it is quoted; "" for nothing."""
    return str(value or "")[:WORDS_LENGTH]


def mapping(value: Any) -> Mapping[str, Any]:
    """Return an object; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def objects(items: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a list; none for anything else."""
    return [i for i in items if isinstance(i, Mapping)] if isinstance(items, list) else []
