"""Children of jobs, kept current by list and watch with a label selector.

A re-list replaces everything, so that what was deleted while the watch was
broken does not stay. What the operator itself wrote is put in at once: the
next decision must not be made on a view from before the write.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import aiohttp

from efficientnet_operator.core.identity import JOB_NAME_LABEL, Key
from efficientnet_operator.kube.client import ApiError, KubeClient
from efficientnet_operator.kube.metrics import WATCH_EVENTS, WATCH_RESTARTS
from efficientnet_operator.kube.refusals import ABSENT, NOT_SERVED, RETRY_S, Refusals

log = logging.getLogger(__name__)

TOMBSTONES = 10_000
GONE = 410
BROKEN = (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError, AttributeError)
"""No connection, or an answer of a shape that no API server's has."""


class Child(Protocol):
    """What the cache needs of an object that it keeps."""

    @property
    def namespace(self) -> str:
        """Its namespace."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def uid(self) -> str:
        """Its UID."""

    @property
    def resource_version(self) -> str:
        """Its resourceVersion."""

    @property
    def job_name(self) -> str:
        """The name of the job that it belongs to, from its label."""


T = TypeVar("T", bound=Child)


class ChildCache(Generic[T]):
    """Objects of one kind that carry a job's label.

    Args:
        resource: the kind in the plural, for logs and metrics.
        parse: makes of an object's JSON what is kept of it.
        on_change: called with the key of the job whose child changed.
    """

    def __init__(
        self,
        resource: str,
        parse: Callable[[Mapping[str, Any]], T],
        on_change: Callable[[Key], None],
    ):
        self.resource = resource
        self.parse = parse
        self._on_change = on_change
        self._by_job: dict[Key, dict[str, T]] = defaultdict(dict)
        self._gone: dict[str, None] = {}
        self._unsynced: set[str] = set()
        self._absent: dict[str, int] = {}
        self._started = False
        self._heard: dict[str, float] = {}

    @property
    def silent_s(self) -> float | None:
        """Seconds since the most silent watch opened or delivered something; None without one."""
        return time.monotonic() - min(self._heard.values()) if self._heard else None

    @property
    def synced(self) -> bool:
        """Whether every list has been read at least once."""
        return self._started and not self._unsynced

    def absence(self, namespace: str) -> int | None:
        """Return the HTTP status by which the API is missing or closed; None where it is open."""
        return self._absent.get(namespace, self._absent.get(""))

    def note_absence(self, namespace: str, status: int) -> None:
        """Take it that the API is missing or closed; one that went took its objects along."""
        self._absent[namespace] = status
        if status == NOT_SERVED:
            self.replace(namespace, (), "")

    def of_job(self, key: Key) -> tuple[T, ...]:
        """Return the children of one job."""
        return tuple(self._by_job.get(key, {}).values())

    def jobs(self) -> list[Key]:
        """Return the keys of all jobs that have children."""
        return list(self._by_job)

    def put(self, document: Mapping[str, Any]) -> None:
        """Parse and keep an object."""
        self.keep(self.parse(document))

    def remove(self, document: Mapping[str, Any]) -> None:
        """Forget an object; a late answer about it is not believed either."""
        self._drop(self.parse(document))

    def replace(self, namespace: str, children: Sequence[T], version: str) -> None:
        """Take a list as the truth for one namespace; "" is all of them.

        Args:
            namespace: what was listed.
            children: the parsed objects of the list.
            version: the list's resourceVersion; what is newer was written meanwhile and stays.
        """
        present = {c.uid for c in children}
        known = [c for kept in self._by_job.values() for c in kept.values()]
        for child in known:
            listed = namespace in {"", child.namespace}
            if listed and child.uid not in present and not _is_newer(child, version):
                self._drop(child)
        for child in children:
            self.keep(child)

    async def follow(
        self, client: KubeClient, path: str, namespace: str, *, optional: bool = False
    ) -> None:
        """List and watch one path for ever; errors are logged and it is listed again.

        Args:
            client: the connection.
            path: the collection.
            namespace: what it covers; "" is all of them.
            optional: the API may be missing (404) or closed to us (403).
        """
        mark = f"{path} of {namespace}"
        self._unsynced.add(mark)
        self._started = True
        self._hear(mark)
        refusals = Refusals()
        restarts = WATCH_RESTARTS.labels(self.resource)
        while True:
            try:
                children, version = await client.list_all(path, self.parse, JOB_NAME_LABEL)
                self.replace(namespace, children, version)
                del children
                self._unsynced.discard(mark)
                self._hear(mark)
                self._absent.pop(namespace, None)
                refusals.forget()
                await self._watch(client, path, version, mark)
            except ApiError as error:
                if optional and error.status in ABSENT:
                    was_read = mark in self._heard and mark not in self._unsynced
                    if refusals.add(was_read=was_read):
                        self._unsynced.discard(mark)
                        self._heard.pop(mark, None)
                        self.note_absence(namespace, error.status)
                    await asyncio.sleep(refusals.pause_s)
                    continue
                if error.status != GONE:
                    log.warning("watch of %s failed, listing again: %s", self.resource, error)
            except BROKEN as error:
                log.warning("watch of %s broke, listing again: %r", self.resource, error)
            restarts.inc()
            await asyncio.sleep(RETRY_S)

    def _hear(self, mark: str) -> None:
        self._heard[mark] = time.monotonic()

    async def _watch(self, client: KubeClient, path: str, version: str, mark: str) -> None:
        heard = partial(self._hear, mark)
        while True:
            async for event in client.watch(path, JOB_NAME_LABEL, version, heard):
                document = event["object"]
                version = document["metadata"]["resourceVersion"]
                WATCH_EVENTS.labels(self.resource).inc()
                if event["type"] == "DELETED":
                    self.remove(document)
                elif event["type"] != "BOOKMARK":
                    self.put(document)

    def keep(self, child: T) -> None:
        """Keep a parsed object, unless a newer version is known or it is already gone."""
        if child.uid in self._gone:
            return
        key = _key_of(child)
        known = self._by_job[key].get(child.name)
        if known and known.uid == child.uid and _is_newer(known, child.resource_version):
            return
        self._by_job[key][child.name] = child
        self._on_change(key)

    def _drop(self, child: T) -> None:
        self._gone[child.uid] = None
        if len(self._gone) > TOMBSTONES:
            del self._gone[next(iter(self._gone))]
        key = _key_of(child)
        kept = self._by_job.get(key, {})
        if child.name in kept and kept[child.name].uid == child.uid:
            del kept[child.name]
        if not kept:
            self._by_job.pop(key, None)
        self._on_change(key)


def _key_of(child: Child) -> Key:
    return child.namespace, child.job_name


def _is_newer(child: Child, version: str) -> bool:
    """Compare resourceVersions, which Kubernetes 1.35 made comparable numbers (KEP-5504)."""
    try:
        return int(child.resource_version) > int(version)
    except ValueError:
        return False
