"""Gather what one reconciliation may look at: ``observe(key) -> View``.

Everything but the facts of nodes comes from caches. Nodes are asked only where
an address or a topology value is needed, and may not be readable at all.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from efficientnet_operator.api.parsing import parse_job
from efficientnet_operator.api.spec import EfficientNetJob
from efficientnet_operator.core.allocations import (
    DEVICE_ANNOTATIONS,
    NodeFacts,
    parse_base_device_infos,
)
from efficientnet_operator.core.config_maps import ConfigMapView, parse_config_map
from efficientnet_operator.core.pod_view import PodView, parse_pod
from efficientnet_operator.core.progress import RankReport
from efficientnet_operator.core.view import Refusal, View
from efficientnet_operator.kube.cache import ChildCache
from efficientnet_operator.kube.client import ApiError, KubeClient, core_path
from efficientnet_operator.kube.groups import GroupView, parse_group
from efficientnet_operator.kube.missed import find_pods
from efficientnet_operator.kube.queue import Key, WorkQueue

NODE_FACTS_S = 30.0
"""How long facts of a node are believed."""
NODE_RETRY_S = 5.0
"""How long a node that could not be read is left alone."""
NODES_AT_ONCE = 32
REFUSAL_S = 10.0
"""How long a refused child is left alone before it is tried again."""
DEVICE_INFOS = "baseDeviceInfos"
NO_ADDRESS = re.compile(r'"device_ip"\s*:\s*(?:"-1"|""|null)')


@dataclass
class Memory:
    """What the operator knows between reconciliations; all of it can be observed again.

    Attributes:
        jobs: the newest known JSON of each job.
        refusals: of each job, child name to refusal and when it was met (monotonic seconds).
        progress: rank 0's newest report by job, with the attempt that it speaks of.
        surveys: the reports of all ranks by job, with the attempt that they speak of.
    """

    pods: ChildCache[PodView]
    config_maps: ChildCache[ConfigMapView]
    groups: ChildCache[GroupView]
    jobs: dict[Key, dict[str, Any]] = field(default_factory=dict)
    refusals: dict[Key, dict[str, tuple[Refusal, float]]] = field(default_factory=dict)
    progress: dict[Key, tuple[int, RankReport]] = field(default_factory=dict)
    surveys: dict[Key, tuple[int, tuple[RankReport, ...]]] = field(default_factory=dict)
    # None stands for a node that could not be read.
    _nodes: dict[str, tuple[NodeFacts | None, float]] = field(default_factory=dict)
    _node_slots: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(NODES_AT_ONCE)
    )
    _node_source: str = ""

    @classmethod
    def create(cls, queue: WorkQueue) -> Memory:
        """Return an empty memory whose caches enqueue into ``queue``."""
        return cls(
            pods=ChildCache("pods", parse_pod, queue.add),
            config_maps=ChildCache("configmaps", parse_config_map, queue.add),
            groups=ChildCache("podgroups", parse_group, queue.add),
        )

    @property
    def synced(self) -> bool:
        """Whether all caches have been filled."""
        return self.pods.synced and self.config_maps.synced and self.groups.synced

    def put_job(self, document: dict[str, Any]) -> Key:
        """Keep a job's JSON unless a newer version is known; return its key."""
        metadata = document["metadata"]
        key = (metadata["namespace"], metadata["name"])
        known = self.jobs.get(key)
        if known is None or not _is_stale(metadata, known["metadata"]):
            self.jobs[key] = document
        return key

    def replace_jobs(
        self, namespace: str, documents: Iterable[dict[str, Any]], version: str
    ) -> list[Key]:
        """Take a list of jobs in; return the keys of those that are gone.

        Args:
            namespace: what was listed; "" is all of them.
            documents: the jobs of the list.
            version: the list's resourceVersion; a job that is newer came meanwhile and stays.
        """
        present = {self.put_job(document) for document in documents}
        list_metadata = {"resourceVersion": version}
        return [
            key
            for key, known in self.jobs.items()
            if namespace in {"", key[0]}
            and key not in present
            and not _is_stale(list_metadata, known["metadata"])
        ]

    def forget_job(self, key: Key) -> None:
        """Drop everything about a job that is gone."""
        for store in (self.jobs, self.refusals, self.progress, self.surveys):
            store.pop(key, None)

    def refuse(self, key: Key, name: str, refusal: Refusal) -> None:
        """Remember that a child could not be created."""
        self.refusals.setdefault(key, {})[name] = (refusal, time.monotonic())

    async def observe(self, key: Key, client: KubeClient) -> View | None:
        """Return the view of a job; None for one that is gone.

        Raises:
            pydantic.ValidationError: the job is not one that the CRD lets pass.
        """
        document = self.jobs.get(key)
        if document is None:
            return None
        job = parse_job(document)
        status = document.get("status") or {}
        pods = await find_pods(job, status, self.pods, client)
        # Taken out, so that one poll is one update of the status.
        polled, progress = self.progress.pop(key, (0, None))
        surveyed, survey = self.surveys.pop(key, (0, None))
        attempt = status.get("attempt")
        return View(
            job=job,
            status=status,
            pods=pods,
            config_maps={c.name: c for c in self.config_maps.of_job(key)},
            groups={
                g.name: g.uid
                for g in self.groups.of_job(key)
                if g.owner_uid == job.metadata.uid and not g.deleting
            },
            nodes=await self._node_facts(_nodes_to_ask(job, status, pods), client),
            node_source=self._node_source,
            refusals=self._fresh_refusals(key),
            progress=progress if polled == attempt else None,
            survey=survey if surveyed == attempt else None,
        )

    def _fresh_refusals(self, key: Key) -> dict[str, Refusal]:
        limit = time.monotonic() - REFUSAL_S
        fresh = {n: r for n, r in self.refusals.get(key, {}).items() if r[1] > limit}
        if fresh:
            self.refusals[key] = fresh
        else:
            self.refusals.pop(key, None)
        return {name: refusal for name, (refusal, _) in fresh.items()}

    async def _node_facts(self, names: Iterable[str], client: KubeClient) -> dict[str, NodeFacts]:
        limit = time.monotonic() - NODE_FACTS_S
        wanted = set(names)
        stale = [n for n in wanted if n not in self._nodes or self._nodes[n][1] < limit]
        await asyncio.gather(*(self._ask_node(name, client) for name in stale))
        found = {n: self._nodes[n][0] for n in wanted}
        return {name: facts for name, facts in found.items() if facts}

    async def _ask_node(self, name: str, client: KubeClient) -> None:
        try:
            async with self._node_slots:
                metadata = (await client.get(core_path("nodes", "", name)))["metadata"]
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            self._node_source = f"nodes cannot be read ({error or repr(error)})"
            self._nodes[name] = (None, time.monotonic() - NODE_FACTS_S + NODE_RETRY_S)
            return
        self._node_source = ""
        infos = (metadata.get("annotations") or {}).get(DEVICE_INFOS, "")
        facts = NodeFacts(parse_base_device_infos(infos), metadata.get("labels") or {})
        self._nodes[name] = (facts, time.monotonic())


def _nodes_to_ask(
    job: EfficientNetJob, status: Mapping[str, Any], pods: Iterable[PodView]
) -> set[str]:
    """Return the nodes of pods whose annotation lacks an address, or all for a topology key.

    Only a table that is still to be built needs them.
    """
    if job.spec.accelerator == "CPU" or status.get("rankTable"):
        return set()
    bound = [p for p in pods if p.node and not p.finished]
    if job.spec.scheduling.topology_key:
        return {p.node for p in bound}
    return {p.node for p in bound if _lacks_address(p)}


def _lacks_address(pod: PodView) -> bool:
    texts = (pod.annotations.get(k, "") for k in DEVICE_ANNOTATIONS)
    # With their quotes: the newer form has a super_device_id too.
    return any(
        NO_ADDRESS.search(t) or t.count('"device_ip"') < t.count('"device_id"') for t in texts
    )


def _is_stale(metadata: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    try:
        return int(metadata["resourceVersion"]) < int(known["resourceVersion"])
    except (KeyError, ValueError):
        return False
