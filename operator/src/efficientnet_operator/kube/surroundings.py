"""What lies around the pods: their nodes, and the health of the chips there.

A change is told to those jobs alone that have pods on the node. Changes are
collected for a moment first: one that takes down a rack is one look at the pods.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from efficientnet_operator.core.allocations import NodeFacts
from efficientnet_operator.core.chip_health import (
    NAMESPACE,
    SELECTOR,
    ChipReport,
    parse_chip_report,
)
from efficientnet_operator.core.identity import Key
from efficientnet_operator.core.nodes import NodeLoss
from efficientnet_operator.core.pod_view import PodView
from efficientnet_operator.core.resources import CONFIG_MAP, NODE
from efficientnet_operator.kube.cache import ChildCache
from efficientnet_operator.kube.client import KubeClient
from efficientnet_operator.kube.node_cache import NodeCache, ReadyCache

COLLECT_S = 0.1
"""How long changes of nodes are collected before their jobs are looked for."""


class Surroundings:
    """The optional sources about nodes, and the way from a node to its jobs.

    Args:
        pods: says which jobs have pods on a node.
        enqueue: called with the key of each job whose surroundings changed.
    """

    def __init__(self, pods: ChildCache[PodView], enqueue: Callable[[Key], None]):
        self._pods = pods
        self._enqueue = enqueue
        self._changed: set[str] = set()
        self.nodes = ReadyCache(self._note)
        self.chips: NodeCache[ChipReport] = NodeCache(
            "chip reports", parse_chip_report, self._note, SELECTOR
        )

    @property
    def synced(self) -> bool:
        """Whether each source has answered, or said that it does not."""
        return self.nodes.synced and self.chips.synced

    async def follow_nodes(self, client: KubeClient) -> None:
        """Keep the nodes current, for ever."""
        await self.nodes.follow(client, NODE.path())

    async def follow_chips(self, client: KubeClient) -> None:
        """Keep the reports of unfit chips current, for ever."""
        await self.chips.follow(client, CONFIG_MAP.path(NAMESPACE))

    async def read_once(self, client: KubeClient) -> None:
        """Take in what holds now, where it may be read; nothing follows it."""
        await self.nodes.read_once(client, NODE.path())
        await self.chips.read_once(client, CONFIG_MAP.path(NAMESPACE))

    def facts_of(self, nodes: Iterable[str]) -> dict[str, NodeFacts]:
        """Return the facts of those nodes that are known."""
        return {n: view.facts for n in nodes if (view := self.nodes.get(n))}

    def losses_of(self, nodes: Iterable[str]) -> dict[str, NodeLoss]:
        """Return those nodes that are not Ready or gone."""
        return {n: loss for n in nodes if (loss := self.nodes.find_loss(n))}

    def reports_of(self, nodes: Iterable[str]) -> dict[str, ChipReport]:
        """Return the reports of those nodes that have unfit chips."""
        return {n: report for n in nodes if (report := self.chips.get(n))}

    def _note(self, node: str) -> None:
        if not self._changed:
            asyncio.get_running_loop().call_later(COLLECT_S, self._tell)
        self._changed.add(node)

    def _tell(self) -> None:
        changed, self._changed = self._changed, set()
        for key in self._pods.jobs():
            if any(pod.node in changed for pod in self._pods.of_job(key)):
                self._enqueue(key)
