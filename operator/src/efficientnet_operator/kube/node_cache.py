"""What is known of nodes, by node name, kept current by list and watch where that is allowed.

Both sources are optional: without the right (403) or the API (404) nothing is
known, ``source`` says why, and it is tried again, each minute in the end. Lists are taken
in page by page, because nodes are large and only a little is kept of each.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import aiohttp

from efficientnet_operator.core.nodes import NodeLoss, NodeView, parse_node
from efficientnet_operator.kube.client import ApiError, KubeClient
from efficientnet_operator.kube.metrics import WATCH_EVENTS, WATCH_RESTARTS
from efficientnet_operator.kube.refusals import ABSENT, RETRY_S, Refusals

log = logging.getLogger(__name__)

GONE = 410
REMEMBERED = 10_000
"""How many nodes that do not exist any more are remembered."""

T = TypeVar("T")
Parse = Callable[[Mapping[str, Any]], tuple[str, T | None]]


class NodeCache(Generic[T]):
    """One optional source of facts about nodes.

    Args:
        resource: what is watched, for logs and metrics.
        parse: makes (node, facts) of an object; facts are None where nothing is worth keeping,
            the node is "" where the object speaks of none.
        on_change: called with the node whose facts are no longer equal to what they were.
        selector: labels of the objects.

    Attributes:
        source: why nothing is known; "" where all is.
        synced: whether the first answer came, if it was asked for at all.
    """

    def __init__(
        self,
        resource: str,
        parse: Parse[T],
        on_change: Callable[[str], None],
        selector: str = "",
    ):
        self.resource = resource
        self.source = ""
        self.synced = True
        self._parse = parse
        self._on_change = on_change
        self._selector = selector
        self._facts: dict[str, T] = {}
        self._refusals = Refusals()
        self._heard: float | None = None

    @property
    def silent_s(self) -> float | None:
        """Seconds since the watch opened or delivered something; None where there is none."""
        return None if self._heard is None else time.monotonic() - self._heard

    def get(self, node: str) -> T | None:
        """Return what is known of a node."""
        return self._facts.get(node)

    def put(self, document: Mapping[str, Any]) -> None:
        """Take an object in."""
        node, facts = self._parse(document)
        if node:
            self._set(node, facts)

    def remove(self, document: Mapping[str, Any]) -> None:
        """Forget what an object told."""
        node, _ = self._parse(document)
        if node:
            self._set(node, None)

    def keep_only(self, nodes: Iterable[str]) -> None:
        """Forget all other nodes, as after a list that does not hold them."""
        for node in self._facts.keys() - set(nodes):
            self._set(node, None)

    def turn_off(self, why: str) -> None:
        """Forget everything: what cannot be watched any more is not believed."""
        if self.source != why:
            log.info("what is known of %s is off: %s", self.resource, why)
        self.source = why
        self._heard = None
        self._facts.clear()

    async def follow(self, client: KubeClient, path: str) -> None:
        """List and watch one path for ever; errors are logged and it is listed again."""
        self.synced = False
        restarts = WATCH_RESTARTS.labels(self.resource)
        while True:
            pause_s = RETRY_S
            try:
                version = await self._list(client, path)
                self.synced = True
                await self._watch(client, path, version)
            except ApiError as error:
                if error.status in ABSENT:
                    pause_s = self._take_refusal(error)
                elif error.status != GONE:
                    log.warning("watch of %s failed, listing again: %s", self.resource, error)
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                log.warning("watch of %s broke, listing again: %r", self.resource, error)
            if not self.source:
                restarts.inc()
            await asyncio.sleep(pause_s)

    async def read_once(self, client: KubeClient, path: str) -> None:
        """Take in one list, where it may be read.

        Raises:
            ApiError: the server refused for another reason than a missing right or API.
        """
        try:
            await self._list(client, path)
        except ApiError as error:
            if error.status not in ABSENT:
                raise
            self.turn_off(f"{self.resource} cannot be read ({error})")

    def _take_refusal(self, error: ApiError) -> float:
        """Return in how many seconds to ask again."""
        if self._refusals.add(was_read=bool(self._facts)):
            self.turn_off(f"{self.resource} cannot be read ({error})")
            self.synced = True
        return self._refusals.pause_s

    async def _list(self, client: KubeClient, path: str) -> str:
        found, version = await client.list_all(path, self._parse, self._selector)
        self._hear()
        if self.source:
            log.info("%s can be read now", self.resource)
        self.source = ""
        self._refusals.forget()
        for node, facts in found:
            if node:
                self._set(node, facts)
        self.keep_only(node for node, _ in found)
        return version

    def _hear(self) -> None:
        self._heard = time.monotonic()

    async def _watch(self, client: KubeClient, path: str, version: str) -> None:
        while True:
            async for event in client.watch(path, self._selector, version, self._hear):
                document = event["object"]
                version = document["metadata"]["resourceVersion"]
                WATCH_EVENTS.labels(self.resource).inc()
                if event["type"] == "DELETED":
                    self.remove(document)
                elif event["type"] != "BOOKMARK":
                    self.put(document)

    def _set(self, node: str, facts: T | None) -> None:
        known = self._facts.get(node)
        if facts is None:
            self._facts.pop(node, None)
        else:
            # Kept even where it is equal: what is left out of the comparison is news, too.
            self._facts[node] = facts
        if known != facts:
            self._note(node, known, facts)
            self._on_change(node)

    def _note(self, node: str, old: T | None, new: T | None) -> None:
        """Hear of a change before the jobs do."""


@dataclass(frozen=True, slots=True)
class _Unready:
    """When a node was first seen not to be Ready (monotonic), and for how long it was by then."""

    seen: float
    before_s: float


class ReadyCache(NodeCache[NodeView]):
    """The nodes themselves, and for how long each of them is not Ready.

    Seconds are counted by a clock of this process that never jumps, from the moment at which
    the change was seen. The cluster's time stamp is compared with the wall clock only for a node
    that was not Ready when the operator first saw it, and only once.
    """

    def __init__(self, on_change: Callable[[str], None]):
        super().__init__("nodes", _parse_named, on_change)
        self._unready: dict[str, _Unready] = {}
        self._gone: dict[str, float] = {}
        self._in_doubt = False

    @property
    def in_doubt(self) -> bool:
        """Whether so many nodes are silent that the network to them is the likelier fault.

        Then their pods most likely train on, and nothing could start elsewhere. These are the
        limits at which Kubernetes' own node controller holds evictions back: no node Ready, or
        more than two and 55 % of them not (--unhealthy-zone-threshold).
        """
        silent, known = len(self._unready), len(self._facts)
        return silent > 0 and (silent == known or (silent > 2 and silent >= 0.55 * known))

    def find_loss(self, node: str) -> NodeLoss | None:
        """Return since when a node is not Ready or gone; None where it is well or not known."""
        if self.source or not self.synced or self.in_doubt:
            return None
        now = time.monotonic()
        view = self._facts.get(node)
        if view is None:
            if node not in self._gone:
                self._bury(node)
            return NodeLoss(now - self._gone[node], gone=True)
        unready = self._unready.get(node)
        if unready is None:
            return None
        return NodeLoss(now - unready.seen + unready.before_s, view.changed_at, view.words)

    def turn_off(self, why: str) -> None:
        """Forget everything, the times of what was lost included."""
        super().turn_off(why)
        self._unready.clear()
        self._gone.clear()

    def _note(self, node: str, old: NodeView | None, new: NodeView | None) -> None:
        if new is None:
            self._unready.pop(node, None)
            self._bury(node)
        else:
            self._gone.pop(node, None)
            if new.ready:
                self._unready.pop(node, None)
            elif node not in self._unready:
                before_s = 0.0 if old else _age_s(new.changed_at)
                self._unready[node] = _Unready(time.monotonic(), before_s)
        was, self._in_doubt = self._in_doubt, self.in_doubt
        if was and not self._in_doubt:
            for silent in self._unready:
                self._on_change(silent)

    def _bury(self, node: str) -> None:
        self._gone[node] = time.monotonic()
        if len(self._gone) > REMEMBERED:
            del self._gone[next(iter(self._gone))]


def _parse_named(node: Mapping[str, Any]) -> tuple[str, NodeView]:
    view = parse_node(node)
    return view.name, view


def _age_s(moment: datetime | None) -> float:
    if moment is None:
        return 0.0
    return max(0.0, (datetime.now(UTC) - moment).total_seconds())
