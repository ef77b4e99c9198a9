"""Keep the books: count what plans change, tell the log, and fill the gauges for a scrape.

What a change means is decided in ``core.accounting``; here it meets the
metrics. Gauges are computed when somebody asks, so that they are never old.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from efficientnet_operator.core.accounting import Change, compare
from efficientnet_operator.core.job_series import FINISHED, choose_jobs, figures_of, phase_of
from efficientnet_operator.core.plan import Plan
from efficientnet_operator.core.view import View
from efficientnet_operator.kube import metrics
from efficientnet_operator.kube.cache import ChildCache
from efficientnet_operator.kube.node_cache import NodeCache
from efficientnet_operator.kube.observe import Memory

log = logging.getLogger(__name__)

TOLD = frozenset({"Restarting", "Succeeded", "Failed"})
"""Phases whose conditions say what happened; of others it matters what is waited for."""


def account(view: View, plan: Plan, now: datetime) -> None:
    """Count what a plan changed whose status is stored, and tell the log.

    Args:
        view: what the plan was made on.
        plan: the plan.
        now: when it was made.
    """
    if plan.status is None:
        return
    change = compare(view.job, view.status, plan.status, now)
    if change.restarted_for:
        metrics.RESTARTS.labels(change.restarted_for).inc()
    for milestone, seconds in change.seconds.items():
        metrics.MILESTONES[milestone].observe(seconds)
    if change.phases:
        _tell(view, plan, change)


def _tell(view: View, plan: Plan, change: Change) -> None:
    metadata = view.job.metadata
    where = f"{metadata.namespace}/{metadata.name}"
    fields: dict[str, Any] = {"job": where, "attempt": change.attempt}
    if change.rank is not None:
        fields["rank"] = change.rank
    old, new = change.phases or ("", "")
    words = _words_of(plan.status or {}, new) if new in TOLD else ""
    log.info("%s -> %s: %s", old, new, words or plan.waits_for, extra=fields)


def _words_of(status: Mapping[str, Any], phase: str) -> str:
    """Return the message of the condition that a phase is named after."""
    conditions = status.get("conditions") or []
    return next((c["message"] for c in conditions if c["type"] == phase), "")


class Books:
    """The gauges of one operator.

    Args:
        memory: what the operator knows.
        job_series: how many jobs may have series of their own.
    """

    def __init__(self, memory: Memory, job_series: int):
        self._memory = memory
        self._job_series = job_series

    def fill(self, *, leading: bool) -> None:
        """Set all gauges to what holds now.

        Args:
            leading: whether this operator works. Only one tells of the jobs, or sums over all
                of them would count twice.
        """
        jobs = list(self._memory.jobs.values()) if leading else []
        _count_jobs(jobs)
        self._show_jobs(jobs, datetime.now(UTC))
        self._show_watches()

    def _show_jobs(self, jobs: list[dict[str, Any]], now: datetime) -> None:
        shown, left_out = choose_jobs(jobs, self._job_series, now)
        metrics.JOBS_LEFT_OUT.set(left_out)
        metrics.JOB_PHASE.clear()
        for gauge in metrics.JOB_FIGURES.values():
            gauge.clear()
        for document in shown:
            metadata = document["metadata"]
            names = (metadata["namespace"], metadata["name"])
            metrics.JOB_PHASE.labels(*names, phase_of(document)).set(1)
            for figure, value in figures_of(document).items():
                metrics.JOB_FIGURES[figure].labels(*names).set(value)

    def _show_watches(self) -> None:
        metrics.WATCH_AGE_SECONDS.clear()
        memory = self._memory
        around = memory.surroundings
        caches: list[ChildCache[Any] | NodeCache[Any]] = [around.nodes, around.chips]
        caches += [*memory.caches.values(), *memory.flavors.values()]
        for cache in caches:
            silent_s = cache.silent_s
            if silent_s is not None:
                metrics.WATCH_AGE_SECONDS.labels(cache.resource).set(silent_s)


def _count_jobs(jobs: list[dict[str, Any]]) -> None:
    phases: Counter[str] = Counter()
    npus: Counter[str] = Counter()
    for document in jobs:
        phase = phase_of(document)
        phases[phase] += 1
        if phase not in FINISHED:
            status = document.get("status") or {}
            allocated = (status.get("npus") or {}).get("allocated", 0)
            npus[document["metadata"]["namespace"]] += allocated
    metrics.JOBS.clear()
    for phase, count in phases.items():
        metrics.JOBS.labels(phase).set(count)
    metrics.NPUS_ALLOCATED.clear()
    for namespace, count in npus.items():
        metrics.NPUS_ALLOCATED.labels(namespace).set(count)
