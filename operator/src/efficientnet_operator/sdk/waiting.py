"""Tell when a wait for a job is over; no connection in here."""

from __future__ import annotations

from collections.abc import Callable

from efficientnet_operator.sdk.errors import JobFailedError, WaitTimeoutError
from efficientnet_operator.sdk.requests import name_job
from efficientnet_operator.sdk.state import JobState

FINISHED = "Finished"
"""Stands for either end."""
KNOWN = ("Created", "Scheduled", "Allocated", "Running", "Restarting", "Suspended", "Succeeded",
         "Failed", FINISHED)  # fmt: skip


class Wait:
    """One wait for a condition of a job.

    Args:
        namespace: where the job is.
        name: its name.
        until: one of ``KNOWN``.
        timeout_s: how long; None is for ever.
        clock: seconds of a clock that never jumps.

    Raises:
        ValueError: ``until`` is none of them.
    """

    def __init__(
        self,
        namespace: str,
        name: str,
        until: str,
        timeout_s: float | None,
        clock: Callable[[], float],
    ) -> None:
        if until not in KNOWN:
            raise ValueError(f"{until!r} is nothing to wait for; wait for {', '.join(KNOWN)}")
        self._title = name_job(namespace, name)
        self._until, self._timeout_s, self._clock = until, timeout_s, clock
        self._began = clock()
        self._last: JobState | None = None

    def remaining_s(self) -> float | None:
        """Return the seconds that are left; None is for ever."""
        if self._timeout_s is None:
            return None
        return self._timeout_s - (self._clock() - self._began)

    def is_over(self, state: JobState) -> bool:
        """Tell whether a state is what was waited for.

        Raises:
            JobFailedError: it is the end, but not that one.
        """
        self._last = state
        if state.holds(self._until) or (self._until == FINISHED and state.finished):
            return True
        if state.failed:
            raise JobFailedError(state.describe_end())
        if state.succeeded:
            raise JobFailedError(f"{self._title} succeeded; it will not be {self._until} again")
        return False

    def timeout(self) -> WaitTimeoutError:
        """Return the error for a time that is over."""
        state = self._last
        now = f"is {state.phase}" if state else "was not heard of"
        why = f": {state.why}" if state and state.why else ""
        return WaitTimeoutError(
            f"{self._title} {now}, not {self._until}, after {self._timeout_s:g} s{why};"
            " it goes on: wait longer"
        )
