"""Make lines of many pods' logs one stream, each with its rank; no connection in here.

The kubelet puts a time before each line. A trainer pod of several ranks puts ``[rank N]``
before what a rank writes; what its launcher writes has none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from efficientnet_operator.core.pod_view import PodView
from efficientnet_operator.sdk import requests
from efficientnet_operator.sdk.errors import NotFoundError, RefusedError
from efficientnet_operator.sdk.requests import Request

AT_ONCE = 64
"""Pods whose logs are read at once, a connection each."""
_LINE = re.compile(rb"(\S+) (?:\[rank (\d+)\] )?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, order=True)
class LogLine:
    """One line of one rank.

    Attributes:
        time: when the kubelet saw it, RFC 3339 with nanoseconds.
        rank: None for the launcher of a pod with several ranks.
        pod: name of the pod.
        text: the line itself.
    """

    time: str
    rank: int | None = field(compare=False)
    pod: str
    text: str

    def __str__(self) -> str:
        return f"[{self.pod if self.rank is None else self.rank}] {self.text}"


@dataclass
class LogCursor:
    """Where one pod's log has been read to.

    Attributes:
        pod: the pod.
        ranks: its ranks, rising; empty before the rank table is published.
        wanted: ranks to show; None is all.
        active: somebody reads it now.
        complete: it was read to its end after the pod had ended.
        ended_before: the pod had ended when the stream was opened.
        last, at_last: time of the last line that was read, and the lines of that time.
    """

    namespace: str
    pod: PodView
    ranks: Sequence[int]
    wanted: Collection[int] | None = None
    active: bool = False
    complete: bool = False
    ended_before: bool = False
    last: str = ""
    at_last: set[str] = field(default_factory=set)

    def request(self, follow: bool, tail: int | None) -> Request:
        """Return what to ask next: the tail at first, then what came after the last line."""
        self.ended_before = self.pod.finished
        since = self.last[:19] + "Z" if self.last else ""
        tail = None if since else tail
        return requests.read_log(
            self.namespace, self.pod.name, follow=follow, tail=tail, since=since
        )

    def take(self, line: bytes) -> LogLine | None:
        """Return a line of the stream; None for one that was read before or is not wanted."""
        match = _LINE.fullmatch(line.rstrip(b"\r\n"))
        if match is None:
            return None
        time, marked, body = match.groups()
        moment, text = _normalize(time.decode()), body.decode(errors="replace")
        if self.last and moment < self.last:
            return None
        # The server counts by whole seconds, so a resumed stream begins before its last line.
        key = f"{marked!r} {text}"
        if moment == self.last and key in self.at_last:
            return None
        self.at_last = {*self.at_last, key} if moment == self.last else {key}
        self.last = moment
        rank = int(marked) if marked else self._only_rank()
        if self.wanted is not None and rank not in self.wanted:
            return None
        return LogLine(moment, rank, self.pod.name, text)

    def leave(self, at_the_end: bool) -> None:
        """Note that a stream is over; nothing follows the end of a pod that had ended before."""
        self.complete = at_the_end and self.ended_before
        self.active = False

    def _only_rank(self) -> int | None:
        return self.ranks[0] if len(self.ranks) == 1 else None


def _normalize(moment: str) -> str:
    """Return a time that sorts as text: the kubelet leaves out trailing zeros."""
    whole, _, fraction = moment.rstrip("Z").partition(".")
    return f"{whole}.{fraction:0<9}Z"


def choose_pods(
    pods: Sequence[PodView], ranks: Mapping[str, Sequence[int]], wanted: Collection[int] | None
) -> list[PodView]:
    """Return the pods whose logs hold the wanted ranks, by lowest rank.

    Args:
        pods: of one attempt.
        ranks: the ranks of each pod; {} before the table is published.
        wanted: ranks; None is all.

    Raises:
        NotFoundError: a wanted rank is none of the job's.
        RefusedError: more pods than can be read at once.
    """
    known = {rank for some in ranks.values() for rank in some}
    missing = sorted(set(wanted or ()) - known) if known else []
    if missing:
        raise NotFoundError(f"there is no rank {missing[0]}; ranks are 0 to {max(known)}")
    chosen = [
        pod
        for pod in pods
        if wanted is None or not known or set(ranks.get(pod.name, ())) & set(wanted)
    ]
    if len(chosen) > AT_ONCE:
        raise RefusedError(
            f"{len(chosen)} pods are more than the {AT_ONCE} whose logs are read at once; name"
            " some ranks",
            0,
        )
    return sorted(chosen, key=lambda pod: min(ranks.get(pod.name) or [pod.index]))


class LogDesk:
    """Who reads which pod's log, over restarts and lost connections.

    Args:
        namespace: where the pods are.
        wanted: ranks to show; None is all.
    """

    def __init__(self, namespace: str, wanted: Collection[int] | None) -> None:
        self._namespace, self._wanted = namespace, wanted
        self._cursors: dict[str, LogCursor] = {}

    def take(self, pods: Sequence[PodView], ranks: Mapping[str, Sequence[int]]) -> list[LogCursor]:
        """Return the cursors that somebody has to read from now on, marked as active.

        Raises:
            NotFoundError, RefusedError: see ``choose_pods``.
        """
        due = []
        for pod in choose_pods(pods, ranks, self._wanted):
            fresh = LogCursor(self._namespace, pod, (), self._wanted)
            cursor = self._cursors.setdefault(pod.uid, fresh)
            cursor.pod, cursor.ranks = pod, ranks.get(pod.name, ())
            if pod.began and not cursor.active and not cursor.complete:
                cursor.active = True
                due.append(cursor)
        return due

    @property
    def idle(self) -> bool:
        """Whether nobody reads."""
        return not any(cursor.active for cursor in self._cursors.values())
