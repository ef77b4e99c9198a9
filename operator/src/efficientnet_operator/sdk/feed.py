"""Follow one job through watches that end, break and are too old; no connection in here.

The clients feed it lines and lost connections; it says which state of the job they make,
what to ask next, and when to give up.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus

from efficientnet_operator.sdk.errors import UnreachableError
from efficientnet_operator.sdk.flows import Flow, gone, read
from efficientnet_operator.sdk.requests import WATCH_S, Request, name_job, watch_job
from efficientnet_operator.sdk.state import JobState

PATIENCE_S = 60.0
"""How long a connection may be lost before that is said; an API server restarts in less."""
PAUSE_S = 1.0


class Patience:
    """How long a lost connection is put up with.

    Args:
        title: what the job is called in the error.
        clock: seconds of a clock that never jumps.
    """

    def __init__(self, title: str, clock: Callable[[], float]) -> None:
        self._title, self._clock = title, clock
        self._lost_since: float | None = None

    def restore(self) -> None:
        """Take note that the server answers."""
        self._lost_since = None

    def lose(self, error: UnreachableError) -> float:
        """Take note of a lost connection; return the seconds to rest before the next try.

        Raises:
            UnreachableError: it has been lost for too long.
        """
        now = self._clock()
        if self._lost_since is None:
            self._lost_since = now
        if now - self._lost_since >= PATIENCE_S:
            raise UnreachableError(
                f"{self._title}: no connection for {PATIENCE_S:.0f} s ({error}); the job goes on"
                " without you: try again later"
            ) from error
        return PAUSE_S


class JobFeed:
    """The states of one job, one after the other.

    Args:
        namespace: where the job is.
        name: its name.
        uid: of the one that is meant; "" is whichever is there first.
        clock: seconds of a clock that never jumps.
    """

    def __init__(self, namespace: str, name: str, uid: str, clock: Callable[[], float]) -> None:
        self._namespace, self._name, self._uid = namespace, name, uid
        self._patience = Patience(name_job(namespace, name), clock)
        self._version = ""
        self._heard = ""

    def catch_up(self) -> Flow[JobState | None]:
        """Read the job where no watch can go on; return it if it is news.

        Raises:
            GoneError: the job is no more.
            NotFoundError: it never was.
        """
        if self._version:
            return None
        state = yield from read(self._namespace, self._name, self._uid)
        self._patience.restore()
        return self._note(state)

    def next_watch(self, remaining_s: float | None = None) -> Request:
        """Return the watch that goes on from what is known; it ends when the time is over."""
        seconds = WATCH_S if remaining_s is None else int(min(remaining_s, WATCH_S)) + 1
        return watch_job(self._namespace, self._name, self._version, seconds)

    def take(self, line: bytes) -> JobState | None:
        """Take a line of the watch; return the state that it tells, None where it tells none.

        Raises:
            GoneError: the job was deleted.
        """
        self._patience.restore()
        try:
            event = json.loads(line)
            kind, document = event["type"], event["object"]
        except (ValueError, KeyError, TypeError):
            return None  # cut off in its middle: the next watch tells it again
        if kind == "ERROR":
            self.forget()
            return None
        if kind == "BOOKMARK":
            self._version = document["metadata"]["resourceVersion"]
            return None
        state = JobState(document)
        if kind == "DELETED" or state.uid != self._uid:
            raise gone(self._namespace, self._name)
        return self._note(state)

    def forget(self) -> None:
        """Read the job anew before the next watch: the server knows the old version no more."""
        self._version = ""

    def lose(self, error: UnreachableError) -> float:
        """Take note of a lost connection; see ``Patience.lose``."""
        return self._patience.lose(error)

    def _note(self, state: JobState) -> JobState | None:
        self._uid = state.uid
        version = str(state.metadata.get("resourceVersion", ""))
        news, self._version, self._heard = version != self._heard, version, version
        return state if news else None


def is_too_old(status: int) -> bool:
    """Tell whether a watch was refused because it asks from too long ago."""
    return status == HTTPStatus.GONE
