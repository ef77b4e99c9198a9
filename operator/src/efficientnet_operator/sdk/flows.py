"""The requests behind each thing that one does with jobs, written once for both clients.

A flow is a generator: it yields what it wants sent or how long it wants to rest, is given
the answer, and returns a value. ``Client`` runs it on blocking connections, ``AsyncClient``
on those of an event loop.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar

from efficientnet_operator.core.config_maps import parse_config_map
from efficientnet_operator.core.failure import parse_report
from efficientnet_operator.core.pod_view import PodView, parse_pod
from efficientnet_operator.core.rank_table import INITIALIZING
from efficientnet_operator.core.retry_after import parse_retry_after
from efficientnet_operator.sdk import requests
from efficientnet_operator.sdk.answers import Answer, read_answer
from efficientnet_operator.sdk.errors import (
    GoneError,
    JobFailedError,
    NotFinishedError,
    NotFoundError,
    NotStartedError,
)
from efficientnet_operator.sdk.ranks import RankState, build_ranks, ranks_by_pod
from efficientnet_operator.sdk.requests import Request
from efficientnet_operator.sdk.state import JobState, Result

T = TypeVar("T")
WAIT = "wait until it runs"
RETRIES = 5
"""Times that a request is sent while the server says that it is busy."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Rest for some seconds."""

    seconds: float


Step = Request | Pause
Flow = Generator[Step, Answer, T]
Document = dict[str, Any]


def ask(request: Request) -> Flow[Document]:
    """Send one request, again where the server is busy; return the object it answers with."""
    for _ in range(RETRIES - 1):
        answer = yield request
        if answer.status != HTTPStatus.TOO_MANY_REQUESTS:
            return read_answer(request, answer)
        yield Pause(parse_retry_after(answer.retry_after, datetime.now(UTC)))
    return read_answer(request, (yield request))


def ask_pages(request: Callable[[str], Request]) -> Flow[list[Document]]:
    """Return the items of a list, page by page; ``request`` makes one of a continue token."""
    items: list[Document] = []
    token = ""
    while True:
        page = yield from ask(request(token))
        items += page.get("items") or []
        token = (page.get("metadata") or {}).get("continue", "")
        if not token:
            return items


def submit(namespace: str, manifest: Mapping[str, Any], dry_run: bool = False) -> Flow[JobState]:
    """Create a job; return it as stored."""
    document = yield from ask(requests.create_job(namespace, manifest, dry_run))
    return JobState(document)


def read(namespace: str, name: str, uid: str = "") -> Flow[JobState]:
    """Return a job as it is now.

    Raises:
        GoneError: the one with that UID is no more.
        NotFoundError: there is none of that name, and no UID was asked for.
    """
    try:
        state = JobState((yield from ask(requests.read_job(namespace, name))))
    except NotFoundError as error:
        if uid:
            raise gone(namespace, name) from error
        raise
    if uid and state.uid != uid:
        raise gone(namespace, name)
    return state


def gone(namespace: str, name: str) -> GoneError:
    """Return the error for a job that was deleted while it was looked at."""
    return GoneError(
        f"{requests.name_job(namespace, name)} was deleted; its checkpoints stay in its output"
    )


def list_all(namespace: str, selector: str = "") -> Flow[list[JobState]]:
    """Return the jobs of a namespace, or of all ("")."""
    items = yield from ask_pages(lambda token: requests.list_jobs(namespace, selector, token))
    return [JobState(item) for item in items]


def suspend(namespace: str, name: str, uid: str, on: bool) -> Flow[JobState]:
    """Set ``runPolicy.suspend``; return the job as stored. GoneError for a namesake."""
    yield from read(namespace, name, uid)
    body = {"spec": {"runPolicy": {"suspend": on}}}
    return JobState((yield from ask(requests.change_job(namespace, name, body))))


def delete(namespace: str, name: str, uid: str = "") -> Flow[None]:
    """Delete a job with its pods; its output stays."""
    yield from ask(requests.delete_job(namespace, name, uid))


def list_events(state: JobState) -> Flow[list[Document]]:
    """Return a job's events, oldest first."""
    items = yield from ask_pages(
        lambda token: requests.list_events(state.namespace, state.name, state.uid, token)
    )
    return sorted(items, key=when_of)


def when_of(event: Mapping[str, Any]) -> str:
    """Return when an event last happened, as it says it in one of three places."""
    metadata = event.get("metadata") or {}
    known = (event.get("lastTimestamp"), event.get("eventTime"), metadata.get("creationTimestamp"))
    return str(next((moment for moment in known if moment), ""))


def list_pods(state: JobState) -> Flow[list[PodView]]:
    """Return the pods of the current attempt, by replica index."""
    items = yield from ask_pages(
        lambda token: requests.list_pods(state.namespace, state.name, state.uid, token)
    )
    pods = [p for p in map(parse_pod, items) if p.attempt == state.attempt]
    return sorted(pods, key=lambda p: p.index)


def read_table(state: JobState) -> Flow[Document]:
    """Return the published HCCL rank table of the current attempt.

    Raises:
        NotStartedError: it is not published yet.
    """
    text, _ = yield from _read_files(state)
    if not text or text == INITIALIZING:
        raise NotStartedError(
            f"{state.title} has no rank table yet: it is {state.phase}; {state.why or WAIT}"
        )
    table: Document = json.loads(text)
    return table


def list_ranks(state: JobState) -> Flow[list[RankState]]:
    """Return what is known of each rank of the current attempt, by rank."""
    pods = yield from list_pods(state)
    _, peers = yield from _read_files(state)
    return build_ranks(pods, peers)


def read_gang(
    namespace: str, name: str, uid: str = ""
) -> Flow[tuple[JobState, list[PodView], dict[str, list[int]]]]:
    """Return a job, the pods of its current attempt, and the ranks of each pod."""
    state = yield from read(namespace, name, uid)
    pods = yield from list_pods(state)
    _, peers = yield from _read_files(state)
    return state, pods, ranks_by_pod(peers)


def not_started(state: JobState) -> NotStartedError:
    """Return the error for a job whose ranks have written nothing yet."""
    return NotStartedError(
        f"{state.title} has no log yet: it is {state.phase}; {state.why or WAIT}"
    )


def _read_files(state: JobState) -> Flow[tuple[str, str]]:
    """Return hccl.json and peers.json of the current attempt; "" where there are none."""
    name = state.config_map
    if not name:
        return "", ""
    try:
        request = requests.read_table(state.namespace, state.name, name)
        view = parse_config_map((yield from ask(request)))
    except NotFoundError:
        return "", ""
    return view.hccl, view.peers


def read_result(namespace: str, name: str, uid: str = "") -> Flow[Result]:
    """Return what a job that succeeded left behind.

    Raises:
        JobFailedError: it failed instead.
        NotFinishedError: it goes on.
    """
    state = yield from read(namespace, name, uid)
    if state.failed:
        raise JobFailedError(state.describe_end())
    if not state.succeeded:
        words = f"{state.title} is {state.phase}, so it has no result yet; wait for it first"
        raise NotFinishedError(words)
    pods = yield from list_pods(state)
    reports = (parse_report(p.termination.message) for p in pods if p.termination)
    return Result.build(state, next((r for r in reports if r.get("rank") == 0), {}))
