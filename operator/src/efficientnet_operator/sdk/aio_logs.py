"""Read the logs of many pods from an event loop: a task for each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from heapq import heapify, heappop, heapreplace
from typing import TYPE_CHECKING

from efficientnet_operator.sdk import flows
from efficientnet_operator.sdk.errors import EnjError, UnreachableError
from efficientnet_operator.sdk.feed import Patience
from efficientnet_operator.sdk.loglines import LogCursor, LogDesk, LogLine
from efficientnet_operator.sdk.logs import POLL_S, QUIET_S
from efficientnet_operator.sdk.requests import name_job

if TYPE_CHECKING:
    from efficientnet_operator.sdk.aio import AsyncClient, AsyncJob


async def read_logs(
    client: AsyncClient, job: AsyncJob, ranks: Collection[int] | None, tail: int | None
) -> AsyncGenerator[LogLine, None]:
    """Yield the lines of all pods by time; memory does not grow with the logs."""
    state, pods, numbers = await client.run(flows.read_gang(job.namespace, job.name, job.uid))
    cursors = LogDesk(job.namespace, ranks).take(pods, numbers)
    if not cursors:
        raise flows.not_started(state)
    streams = [_read(client, cursor, tail) for cursor in cursors]
    try:
        firsts = await asyncio.gather(*(anext(stream, None) for stream in streams))
        heads = [(line, at) for at, line in enumerate(firsts) if line is not None]
        heapify(heads)
        while heads:
            line, at = heads[0]
            yield line
            following = await anext(streams[at], None)
            if following is None:
                heappop(heads)
            else:
                heapreplace(heads, (following, at))
    finally:
        for stream in streams:
            await stream.aclose()


async def _read(
    client: AsyncClient, cursor: LogCursor, tail: int | None, follow: bool = False
) -> AsyncGenerator[LogLine, None]:
    request = cursor.request(follow, tail)
    async with aclosing(client.transport.stream(request, QUIET_S)) as lines:
        async for line in lines:
            if (found := cursor.take(line)) is not None:
                yield found


async def follow_logs(
    client: AsyncClient, job: AsyncJob, ranks: Collection[int] | None, tail: int | None
) -> AsyncGenerator[LogLine, None]:
    """Yield lines as they are written, over restarts, until the job ends."""
    lines: asyncio.Queue[LogLine] = asyncio.Queue()
    desk, tasks = LogDesk(job.namespace, ranks), set[asyncio.Task[None]]()
    patience = Patience(name_job(job.namespace, job.name), time.monotonic)
    try:
        while True:
            try:
                gang = await client.run(flows.read_gang(job.namespace, job.name, job.uid))
            except UnreachableError as error:
                await asyncio.sleep(patience.lose(error))
                continue
            patience.restore()
            state, pods, numbers = gang
            due = desk.take(pods, numbers)
            for cursor in due:
                task = asyncio.create_task(_follow(client, cursor, tail, lines))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            over = state.finished and not due and desk.idle
            end = time.monotonic() + (0 if over else POLL_S)
            while (left := end - time.monotonic()) > 0 or not lines.empty():
                try:
                    yield await asyncio.wait_for(lines.get(), max(left, 0.001))
                except TimeoutError:
                    break
            if over:
                return
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _follow(
    client: AsyncClient, cursor: LogCursor, tail: int | None, lines: asyncio.Queue[LogLine]
) -> None:
    """Put a pod's lines into the queue until its stream ends; the desk sees to what follows."""
    at_the_end = False
    try:
        async with aclosing(_read(client, cursor, tail, follow=True)) as found:
            async for line in found:
                lines.put_nowait(line)
        at_the_end = True
    except EnjError:
        pass  # a lost connection, or a pod that is gone: the next look at the pods tells which
    finally:
        cursor.leave(at_the_end)
