"""Wait for a condition of the cluster, with a deadline and words for its failure."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DEADLINE_S = 120.0
"""What holds ends a wait at once; so this is for what does not, on the slowest machine."""
PAUSE_S = 0.05


def wait_until(
    what: str,
    probe: Callable[[], T],
    *,
    deadline_s: float = DEADLINE_S,
    pause_s: float = PAUSE_S,
    state: Callable[[], object] | None = None,
) -> T:
    """Return the first truthy answer of ``probe``.

    Args:
        what: what is waited for, in words.
        probe: asked again and again.
        deadline_s: after which it is given up.
        pause_s: between two questions.
        state: tells what is there instead, for the error; by default the last answer.

    Raises:
        AssertionError: the deadline passed; the message tells what was there instead.
    """
    ends = time.monotonic() + deadline_s
    while not (answer := probe()):
        if time.monotonic() > ends:
            found = state() if state else answer
            raise AssertionError(f"not within {deadline_s:g} s: {what}; found: {found}")
        time.sleep(pause_s)
    return answer
