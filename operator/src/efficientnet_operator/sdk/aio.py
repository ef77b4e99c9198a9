"""The client for event loops: the same jobs, states and errors as the blocking one."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Self, TypeVar

from efficientnet_operator.sdk import flows
from efficientnet_operator.sdk.aio_transport import AioTransport
from efficientnet_operator.sdk.client import BREATH_S
from efficientnet_operator.sdk.errors import RefusedError, UnreachableError
from efficientnet_operator.sdk.feed import JobFeed, is_too_old
from efficientnet_operator.sdk.flows import Flow, Pause
from efficientnet_operator.sdk.login import Login, log_in
from efficientnet_operator.sdk.loglines import LogLine
from efficientnet_operator.sdk.ranks import RankState
from efficientnet_operator.sdk.state import JobState, Result
from efficientnet_operator.sdk.waiting import Wait

if TYPE_CHECKING:
    from efficientnet_operator.api.status import Progress

T = TypeVar("T")
States = list[JobState]  # by another name, for a client's own list() hides it
OnChange = Callable[[JobState], Awaitable[object] | object]


class AsyncClient:
    """Jobs of one cluster; use it in an ``async with``, or call ``connect`` and ``close``."""

    def __init__(self, login: Login, namespace: str | None = None) -> None:
        self.namespace = namespace or login.namespace
        self.transport = AioTransport(login)

    @classmethod
    async def connect(
        cls,
        kubeconfig: str | None = None,
        *,
        context: str | None = None,
        namespace: str | None = None,
    ) -> Self:
        """Return a client; see ``Client`` for the arguments.

        Raises:
            LoginError: nothing says how to reach the cluster. Nothing is sent yet.
        """
        # A login plugin may take a while.
        return cls(await asyncio.to_thread(log_in, kubeconfig, context), namespace)

    async def close(self) -> None:
        """Close the connections."""
        await self.transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def run(self, flow: Flow[T]) -> T:
        """Send what a flow asks for; return what it makes of the answers."""
        try:
            step = next(flow)
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    step = next(flow)
                else:
                    step = flow.send(await self.transport.send(step))
        except StopIteration as end:
            value: T = end.value
            return value

    async def submit(self, manifest: Mapping[str, Any], *, check: bool = True) -> AsyncJob:
        """Create a job; see ``Client.submit``."""
        if check:
            from efficientnet_operator.sdk.building import check_job

            await asyncio.to_thread(check_job, manifest)
        namespace = (manifest.get("metadata") or {}).get("namespace") or self.namespace
        state = await self.run(flows.submit(namespace, manifest))
        return AsyncJob(self, state.namespace, state.name, state.uid)

    async def get(self, name: str, namespace: str | None = None) -> AsyncJob:
        """Return a job that exists; NotFoundError where there is none of that name."""
        state = await self.run(flows.read(namespace or self.namespace, name))
        return AsyncJob(self, state.namespace, state.name, state.uid)

    async def list(
        self, namespace: str | None = None, *, everywhere: bool = False, selector: str = ""
    ) -> States:
        """Return the jobs of a namespace, or ``everywhere``, with labels as kubectl's -l."""
        where = "" if everywhere else namespace or self.namespace
        return await self.run(flows.list_all(where, selector))


class AsyncJob:
    """One job in the cluster; see ``Job``, whose methods these are."""

    def __init__(self, client: AsyncClient, namespace: str, name: str, uid: str = "") -> None:
        self._client = client
        self.namespace = namespace
        self.name = name
        self.uid = uid

    async def state(self) -> JobState:
        """Return the job as it is now."""
        return await self._client.run(flows.read(self.namespace, self.name, self.uid))

    async def watch(
        self, remaining_s: Callable[[], float | None] = lambda: None
    ) -> AsyncGenerator[JobState, None]:
        """Yield the job now and after each change, until it is deleted; see ``Job.watch``."""
        feed = JobFeed(self.namespace, self.name, self.uid, time.monotonic)
        while (left := remaining_s()) is None or left > 0:
            try:
                if (state := await self._client.run(feed.catch_up())) is not None:
                    yield state
                    left = remaining_s()
                # A generator that is left in its middle would keep its connection.
                async with aclosing(self._client.transport.stream(feed.next_watch(left))) as lines:
                    async for line in lines:
                        if (state := feed.take(line)) is not None:
                            yield state
                await asyncio.sleep(BREATH_S)
            except UnreachableError as error:
                await asyncio.sleep(feed.lose(error))
            except RefusedError as error:
                if not is_too_old(error.status):
                    raise
                feed.forget()

    async def wait(
        self,
        until: str = "Succeeded",
        *,
        timeout_s: float | None = None,
        on_change: OnChange = lambda _: None,
    ) -> JobState:
        """Wait until a condition holds; see ``Job.wait``. The callback may be a coroutine."""
        wait = Wait(self.namespace, self.name, until, timeout_s, time.monotonic)
        async with aclosing(self.watch(wait.remaining_s)) as states:
            async for state in states:
                called = on_change(state)
                if inspect.isawaitable(called):
                    await called
                if wait.is_over(state):
                    return state
        raise wait.timeout()

    async def progress(self) -> AsyncGenerator[Progress, None]:
        """Yield the figures each time they change, until the job ends; see ``Job.progress``."""
        wait, last = Wait(self.namespace, self.name, "Succeeded", None, time.monotonic), None
        async with aclosing(self.watch()) as states:
            async for state in states:
                over = wait.is_over(state)
                figures = state.progress
                if figures is not None and figures != last:
                    yield figures
                    last = figures
                if over:
                    return

    def logs(
        self,
        *,
        ranks: Collection[int] | None = None,
        follow: bool = False,
        tail: int | None = None,
    ) -> AsyncGenerator[LogLine, None]:
        """Yield what the ranks of the current attempt wrote, merged by time; see ``Job.logs``."""
        from efficientnet_operator.sdk.aio_logs import follow_logs, read_logs

        if follow:
            return follow_logs(self._client, self, ranks, tail)
        return read_logs(self._client, self, ranks, tail)

    async def ranks(self) -> list[RankState]:
        """Return where each rank of the current attempt runs, and how it fares."""
        return await self._client.run(flows.list_ranks(await self.state()))

    async def rank_table(self) -> dict[str, Any]:
        """Return the published HCCL rank table; NotStartedError before there is one."""
        return await self._client.run(flows.read_table(await self.state()))

    async def events(self) -> list[dict[str, Any]]:
        """Return the job's events, oldest first."""
        return await self._client.run(flows.list_events(await self.state()))

    async def result(self) -> Result:
        """Return checkpoint and accuracy; raises what ``flows.read_result`` does."""
        return await self._client.run(flows.read_result(self.namespace, self.name, self.uid))

    async def suspend(self) -> JobState:
        """Stop all ranks after a checkpoint and free their NPUs."""
        return await self._client.run(flows.suspend(self.namespace, self.name, self.uid, True))

    async def resume(self) -> JobState:
        """Let a suspended job go on from its checkpoint."""
        return await self._client.run(flows.suspend(self.namespace, self.name, self.uid, False))

    async def delete(self) -> None:
        """Delete the job with its pods; the checkpoints stay in its output."""
        await self._client.run(flows.delete(self.namespace, self.name, self.uid))

    def __repr__(self) -> str:
        return f"<AsyncJob {self.namespace}/{self.name}>"
