"""Read the logs of many pods over blocking connections: one after the other, or by threads."""

from __future__ import annotations

import heapq
import queue
import threading
import time
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from efficientnet_operator.sdk import flows
from efficientnet_operator.sdk.errors import EnjError, UnreachableError
from efficientnet_operator.sdk.feed import Patience
from efficientnet_operator.sdk.loglines import LogCursor, LogDesk, LogLine
from efficientnet_operator.sdk.requests import name_job

if TYPE_CHECKING:
    from efficientnet_operator.sdk.client import Client, Job

POLL_S = 2.0
"""Between two looks for new pods."""
QUIET_S = 30.0
"""A log that is silent for so long is asked for anew: its reader may have gone meanwhile."""


def read_logs(
    client: Client, job: Job, ranks: Collection[int] | None, tail: int | None
) -> Iterator[LogLine]:
    """Yield the lines of all pods by time; memory does not grow with the logs."""
    state, pods, numbers = client.run(flows.read_gang(job.namespace, job.name, job.uid))
    cursors = LogDesk(job.namespace, ranks).take(pods, numbers)
    if not cursors:
        raise flows.not_started(state)
    yield from heapq.merge(*(_read(client, cursor, tail) for cursor in cursors))


def _read(client: Client, cursor: LogCursor, tail: int | None) -> Iterator[LogLine]:
    for line in client.transport.stream(cursor.request(False, tail)):
        if (found := cursor.take(line)) is not None:
            yield found


def follow_logs(
    client: Client, job: Job, ranks: Collection[int] | None, tail: int | None
) -> Iterator[LogLine]:
    """Yield lines as they are written, over restarts, until the job ends."""
    lines: queue.SimpleQueue[LogLine] = queue.SimpleQueue()
    desk, stop = LogDesk(job.namespace, ranks), threading.Event()
    patience = Patience(name_job(job.namespace, job.name), time.monotonic)
    try:
        while True:
            try:
                gang = client.run(flows.read_gang(job.namespace, job.name, job.uid))
            except UnreachableError as error:
                yield from _drain(lines, patience.lose(error))
                continue
            patience.restore()
            state, pods, numbers = gang
            due = desk.take(pods, numbers)
            for cursor in due:
                follow = (client, cursor, tail, lines, stop)
                threading.Thread(target=_follow, args=follow, daemon=True).start()
            over = state.finished and not due and desk.idle
            yield from _drain(lines, 0 if over else POLL_S)
            if over:
                return
    finally:
        stop.set()


def _follow(
    client: Client,
    cursor: LogCursor,
    tail: int | None,
    lines: queue.SimpleQueue[LogLine],
    stop: threading.Event,
) -> None:
    """Put a pod's lines into the queue until its stream ends; the desk sees to what follows."""
    at_the_end = False
    try:
        for line in client.transport.stream(cursor.request(True, tail), QUIET_S):
            if stop.is_set():
                return
            if (found := cursor.take(line)) is not None:
                lines.put(found)
        at_the_end = True
    except EnjError:
        pass  # a lost connection, or a pod that is gone: the next look at the pods tells which
    finally:
        cursor.leave(at_the_end)


def _drain(lines: queue.SimpleQueue[LogLine], seconds: float) -> Iterator[LogLine]:
    """Yield lines for some seconds, and all that are there."""
    end = time.monotonic() + seconds
    while True:
        try:
            yield lines.get(timeout=max(end - time.monotonic(), 0.001))
        except queue.Empty:
            return
