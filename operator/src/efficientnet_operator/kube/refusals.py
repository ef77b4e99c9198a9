"""Lists that are refused: whether that is believed, and when they are asked for again."""

from __future__ import annotations

NOT_SERVED = 404
ABSENT = frozenset({403, NOT_SERVED})
"""The API is closed to us, or is not there."""
RETRY_S = 1.0
ABSENT_RETRY_S = 60.0
DOUBTED = 3
"""Refusals in a row that are not believed of a list that could be read before.

An API server that starts refuses everything until it has read its roles.
"""


class Refusals:
    """The refusals in a row of one list."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, *, was_read: bool) -> bool:
        """Count one more; return whether the API is missing or closed indeed."""
        self._count += 1
        return not was_read or self._count > DOUBTED

    def forget(self) -> None:
        """Take it that the list can be read."""
        self._count = 0

    @property
    def pause_s(self) -> float:
        """Seconds until it is asked for again: 1, 2, 4... up to a minute."""
        return min(ABSENT_RETRY_S, RETRY_S * 2.0 ** min(self._count - 1, 10))
