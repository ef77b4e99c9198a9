"""Gather what one reconciliation may look at: ``observe(key) -> View``.

Everything comes from caches; the API server is asked only whether a pod that is
missed is really gone. What lies around the pods, their nodes and chips, may not be
readable at all.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from efficientnet_operator.api.parsing import parse_job
from efficientnet_operator.api.spec import EfficientNetJob
from efficientnet_operator.core.allocations import DEVICE_ANNOTATIONS
from efficientnet_operator.core.config_maps import ConfigMapView, parse_config_map
from efficientnet_operator.core.gang.group_view import GroupView, group_parser
from efficientnet_operator.core.identity import Key
from efficientnet_operator.core.job_history import History
from efficientnet_operator.core.kueue.workload_view import (
    Flavor,
    Queueing,
    WorkloadView,
    parse_named_flavor,
    workload_parser,
)
from efficientnet_operator.core.pod_view import PodView, parse_pod
from efficientnet_operator.core.progress import RankReport
from efficientnet_operator.core.resources import (
    CONFIG_MAP,
    POD,
    POD_GROUPS,
    WORKLOADS,
    Resource,
    flavor_of,
)
from efficientnet_operator.core.view import FORBIDDEN, NOT_SERVED, Refusal, View
from efficientnet_operator.kube.cache import ChildCache
from efficientnet_operator.kube.client import KubeClient
from efficientnet_operator.kube.missed import find_pods
from efficientnet_operator.kube.node_cache import NodeCache
from efficientnet_operator.kube.queue import WorkQueue
from efficientnet_operator.kube.surroundings import Surroundings

REFUSAL_S = 10.0
"""How long a refused child is left alone before it is tried again."""
NO_ADDRESS = re.compile(r'"device_ip"\s*:\s*(?:"-1"|""|null)')


@dataclass
class Memory:
    """What the operator knows between reconciliations; all of it can be observed again.

    Attributes:
        jobs: the newest known JSON of each job.
        stored: when this operator last stored a job's status (monotonic seconds).
        caches: of all kinds of children, by where they live.
        refusals: of each job, child name to refusal and when it was met (monotonic seconds).
        progress: rank 0's newest report by job, with the attempt that it speaks of.
        surveys: the reports of all ranks by job, with the attempt that they speak of.
        history: how the figures of the jobs went; None where nobody looks at them.
    """

    pods: ChildCache[PodView]
    config_maps: ChildCache[ConfigMapView]
    groups: Mapping[Resource, ChildCache[GroupView]]
    surroundings: Surroundings
    workloads: Mapping[Resource, ChildCache[WorkloadView]] = field(default_factory=dict)
    flavors: Mapping[Resource, NodeCache[Flavor]] = field(default_factory=dict)
    jobs: dict[Key, dict[str, Any]] = field(default_factory=dict)
    stored: dict[Key, float] = field(default_factory=dict)
    refusals: dict[Key, dict[str, tuple[Refusal, float]]] = field(default_factory=dict)
    progress: dict[Key, tuple[int, RankReport]] = field(default_factory=dict)
    surveys: dict[Key, tuple[int, tuple[RankReport, ...]]] = field(default_factory=dict)
    history: History | None = None
    caches: dict[Resource, ChildCache[Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.caches = {
            POD: self.pods,
            CONFIG_MAP: self.config_maps,
            **self.groups,
            **self.workloads,
        }

    @classmethod
    def create(
        cls, queue: WorkQueue, *, kueue: bool = False, history: History | None = None
    ) -> Memory:
        """Return an empty memory whose caches enqueue into ``queue``, Kueue's too if wanted."""
        pods = ChildCache("pods", parse_pod, queue.add)
        versions = WORKLOADS if kueue else ()
        return cls(
            pods=pods,
            config_maps=ChildCache("configmaps", parse_config_map, queue.add),
            groups={r: ChildCache(r.full_name, group_parser(r), queue.add) for r in POD_GROUPS},
            surroundings=Surroundings(pods, queue.add),
            workloads={
                r: ChildCache(r.full_name, workload_parser(r), queue.add) for r in versions
            },
            flavors={
                f: NodeCache(f.full_name, parse_named_flavor, _tell_nobody)
                for f in map(flavor_of, versions)
            },
            history=history,
        )

    @property
    def optional(self) -> frozenset[Resource]:
        """The APIs that may be missing, or closed to us."""
        return frozenset({*self.groups, *self.workloads})

    @property
    def synced(self) -> bool:
        """Whether all caches have been filled."""
        children = all(cache.synced for cache in self.caches.values())
        flavors = all(cache.synced for cache in self.flavors.values())
        return children and flavors and self.surroundings.synced

    def put_job(self, document: dict[str, Any]) -> Key:
        """Keep a job's JSON unless a newer version is known; return its key."""
        metadata = document["metadata"]
        key = (metadata["namespace"], metadata["name"])
        known = self.jobs.get(key)
        if known is None or not _is_stale(metadata, known["metadata"]):
            self.jobs[key] = document
            if self.history:
                self.history.note(key, document)
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
        for store in (self.jobs, self.stored, self.refusals, self.progress, self.surveys):
            store.pop(key, None)
        if self.history:
            self.history.forget(key)

    def refuse(self, key: Key, name: str, refusal: Refusal) -> None:
        """Remember that a child could not be created."""
        self.refusals.setdefault(key, {})[name] = (refusal, time.monotonic())

    async def observe(self, key: Key, client: KubeClient) -> View | None:
        """Return the view of a job; None for one that is gone.

        Raises:
            ApiError: a pod is missed, and the server does not say whether it is gone.
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
        nodes = {p.node for p in pods if p.node}
        return View(
            job=job,
            status=status,
            status_age_s=time.monotonic() - self.stored.get(key, -math.inf),
            pods=pods,
            config_maps={c.name: c for c in self.config_maps.of_job(key)},
            groups=tuple(
                group
                for cache in self.groups.values()
                for group in cache.of_job(key)
                if group.owner_uid == job.metadata.uid
            ),
            kueue=self._queueing(key, job.metadata.uid),
            absent=self._absent_for(key),
            nodes=self.surroundings.facts_of(_nodes_to_know(job, status, pods)),
            node_source=self.surroundings.nodes.source,
            lost_nodes=self.surroundings.losses_of(nodes),
            chip_reports=self.surroundings.reports_of(nodes),
            refusals=self._fresh_refusals(key),
            progress=progress if polled == attempt else None,
            survey=survey if surveyed == attempt else None,
        )

    def _queueing(self, key: Key, job_uid: str) -> Queueing | None:
        """Return what is known of a job at Kueue; None without ``--kueue``."""
        if not self.workloads:
            return None
        known = (w for cache in self.workloads.values() for w in cache.of_job(key))
        workload = next((w for w in known if w.owner_uid == job_uid), None)
        if workload is None:
            return Queueing()
        cache = self.flavors[flavor_of(workload.resource)]
        flavors = {n: flavor for n in workload.flavors if (flavor := cache.get(n))}
        return Queueing(workload, flavors, cache.source)

    def _absent_for(self, key: Key) -> dict[Resource, str]:
        answers = {r: self.caches[r].absence(key[0]) for r in self.optional}
        return {r: FORBIDDEN if a == 403 else NOT_SERVED for r, a in answers.items() if a}

    def _fresh_refusals(self, key: Key) -> dict[str, Refusal]:
        limit = time.monotonic() - REFUSAL_S
        fresh = {n: r for n, r in self.refusals.get(key, {}).items() if r[1] > limit}
        if fresh:
            self.refusals[key] = fresh
        else:
            self.refusals.pop(key, None)
        return {name: refusal for name, (refusal, _) in fresh.items()}


def _tell_nobody(name: str) -> None:
    """A job that misses a flavor looks again by itself."""


def _nodes_to_know(
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
