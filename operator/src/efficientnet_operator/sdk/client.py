"""The blocking client: what a script, a notebook or the command line talks to."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from efficientnet_operator.sdk import flows
from efficientnet_operator.sdk.errors import RefusedError, UnreachableError
from efficientnet_operator.sdk.feed import JobFeed, is_too_old
from efficientnet_operator.sdk.flows import Flow, Pause
from efficientnet_operator.sdk.login import Login, log_in
from efficientnet_operator.sdk.loglines import LogLine
from efficientnet_operator.sdk.ranks import RankState
from efficientnet_operator.sdk.state import JobState, Result
from efficientnet_operator.sdk.transport import Transport
from efficientnet_operator.sdk.waiting import Wait

if TYPE_CHECKING:
    from efficientnet_operator.api.status import Progress

T = TypeVar("T")
BREATH_S = 0.2
"""Between two watches: something on the way may end each of them at once."""

States = list[JobState]  # by another name, for a client's own list() hides it
OnChange = Callable[[JobState], object]


class Client:
    """Jobs of one cluster; close it when done, or use it in a ``with``.

    Args:
        kubeconfig: path of a kubeconfig; None logs in as kubectl does, or as the pod.
        context: of the kubeconfig; None is the current one.
        namespace: where jobs are meant to be that name none; None is the context's.

    Raises:
        LoginError: nothing says how to reach the cluster. Nothing is sent yet.
    """

    def __init__(
        self,
        kubeconfig: str | None = None,
        *,
        context: str | None = None,
        namespace: str | None = None,
    ) -> None:
        login: Login = log_in(kubeconfig, context)
        self.namespace = namespace or login.namespace
        self.transport = Transport(login)

    def close(self) -> None:
        """Close the connection."""
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, flow: Flow[T]) -> T:
        """Send what a flow asks for; return what it makes of the answers."""
        try:
            step = next(flow)
            while True:
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    step = next(flow)
                else:
                    step = flow.send(self.transport.send(step))
        except StopIteration as end:
            value: T = end.value
            return value

    def submit(self, manifest: Mapping[str, Any], *, check: bool = True) -> Job:
        """Create a job, as ``build_job`` made it or a file holds it.

        Args:
            manifest: the whole object.
            check: look for faults offline first; takes a second, names all of them.

        Raises:
            InvalidJobError, TakenError, ForbiddenError, MissingApiError, UnreachableError
        """
        if check:
            from efficientnet_operator.sdk.building import check_job

            check_job(manifest)
        namespace = (manifest.get("metadata") or {}).get("namespace") or self.namespace
        state = self.run(flows.submit(namespace, manifest))
        return Job(self, state.namespace, state.name, state.uid)

    def get(self, name: str, namespace: str | None = None) -> Job:
        """Return a job that exists.

        Raises:
            NotFoundError: there is none of that name.
        """
        state = self.run(flows.read(namespace or self.namespace, name))
        return Job(self, state.namespace, state.name, state.uid)

    def list(
        self, namespace: str | None = None, *, everywhere: bool = False, selector: str = ""
    ) -> States:
        """Return the jobs of a namespace, or ``everywhere``, with labels as kubectl's -l."""
        return self.run(
            flows.list_all("" if everywhere else namespace or self.namespace, selector)
        )


class Job:
    """One job in the cluster; every answer is fresh.

    A job of the same name that is created after this one was deleted is another job: methods
    then raise GoneError.
    """

    def __init__(self, client: Client, namespace: str, name: str, uid: str = "") -> None:
        self._client = client
        self.namespace = namespace
        self.name = name
        self.uid = uid

    def state(self) -> JobState:
        """Return the job as it is now."""
        return self._client.run(flows.read(self.namespace, self.name, self.uid))

    def watch(self, remaining_s: Callable[[], float | None] = lambda: None) -> Iterator[JobState]:
        """Yield the job now and after each change, until it is deleted.

        Args:
            remaining_s: seconds after which nothing is waited for any more; None is for ever.

        Raises:
            GoneError: it was deleted.
            UnreachableError: the connection was lost for a minute.
        """
        feed = JobFeed(self.namespace, self.name, self.uid, time.monotonic)
        while (left := remaining_s()) is None or left > 0:
            try:
                if (state := self._client.run(feed.catch_up())) is not None:
                    yield state
                    left = remaining_s()
                for line in self._client.transport.stream(feed.next_watch(left)):
                    if (state := feed.take(line)) is not None:
                        yield state
                time.sleep(BREATH_S)
            except UnreachableError as error:
                time.sleep(feed.lose(error))
            except RefusedError as error:
                if not is_too_old(error.status):
                    raise
                feed.forget()

    def wait(
        self,
        until: str = "Succeeded",
        *,
        timeout_s: float | None = None,
        on_change: OnChange = lambda _: None,
    ) -> JobState:
        """Wait until a condition or phase holds; return the job as it is then.

        Args:
            until: a condition such as Succeeded or Running, a phase, or ``Finished``.
            timeout_s: how long; None is for ever.
            on_change: called with each state on the way, the last one included.

        Raises:
            JobFailedError: it failed, and that was not waited for.
            WaitTimeoutError: the time is over; the job goes on.
            GoneError: it was deleted.
        """
        wait = Wait(self.namespace, self.name, until, timeout_s, time.monotonic)
        for state in self.watch(wait.remaining_s):
            on_change(state)
            if wait.is_over(state):
                return state
        raise wait.timeout()

    def progress(self) -> Iterator[Progress]:
        """Yield the figures each time they change, until the job ends.

        Raises:
            JobFailedError: it failed.
        """
        wait, last = Wait(self.namespace, self.name, "Succeeded", None, time.monotonic), None
        for state in self.watch():
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
    ) -> Iterator[LogLine]:
        """Yield what the ranks of the current attempt wrote, merged by time.

        Args:
            ranks: None is all of them.
            follow: stay until the job ends, over restarts; lines come as they are written.
            tail: the last lines of each pod only; None is all.

        Raises:
            NotStartedError: no rank writes yet, and ``follow`` is not set.
            NotFoundError: there is no such rank.
        """
        from efficientnet_operator.sdk.logs import follow_logs, read_logs

        if follow:
            return follow_logs(self._client, self, ranks, tail)
        return read_logs(self._client, self, ranks, tail)

    def ranks(self) -> list[RankState]:
        """Return where each rank of the current attempt runs, and how it fares."""
        return self._client.run(flows.list_ranks(self.state()))

    def rank_table(self) -> dict[str, Any]:
        """Return the published HCCL rank table; NotStartedError before there is one."""
        return self._client.run(flows.read_table(self.state()))

    def events(self) -> list[dict[str, Any]]:
        """Return the job's events, oldest first."""
        return self._client.run(flows.list_events(self.state()))

    def result(self) -> Result:
        """Return checkpoint and accuracy; raises what ``flows.read_result`` does."""
        return self._client.run(flows.read_result(self.namespace, self.name, self.uid))

    def suspend(self) -> JobState:
        """Stop all ranks after a checkpoint and free their NPUs."""
        return self._client.run(flows.suspend(self.namespace, self.name, self.uid, True))

    def resume(self) -> JobState:
        """Let a suspended job go on from its checkpoint."""
        return self._client.run(flows.suspend(self.namespace, self.name, self.uid, False))

    def delete(self) -> None:
        """Delete the job with its pods; the checkpoints stay in its output."""
        self._client.run(flows.delete(self.namespace, self.name, self.uid))

    def __repr__(self) -> str:
        return f"<Job {self.namespace}/{self.name}>"

    def _repr_html_(self) -> str:
        return self.state()._repr_html_()
