"""What an operator exports that has seen a little of everything, from its own registry."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from efficientnet_operator.kube import metrics
from efficientnet_operator.kube.accounting import Books
from efficientnet_operator.kube.observe import Memory
from efficientnet_operator.kube.queue import WorkQueue
from prometheus_client import REGISTRY, generate_latest

PHASES = ("Running", "Pending", "Allocating", "Starting", "Restarting", "Suspended", "Succeeded")


def job_in(phase: str, name: str, namespace: str) -> dict[str, Any]:
    """Return a job of eight NPUs as the API server would, with all figures known."""
    now = datetime.now(UTC).isoformat()
    figures = {"step": 50, "totalSteps": 100, "imagesPerSecond": 11000.0, "top1": 0.7}
    return {
        "metadata": {"namespace": namespace, "name": name, "uid": name, "resourceVersion": "1"},
        "spec": {"npus": 8},
        "status": {
            "phase": phase,
            "attempt": 1,
            "npus": {"allocated": 8},
            "progress": {**figures, "lastUpdated": now},
            "completionTime": now,
        },
    }


class BusyOperator:
    """An operator that leads, knows a job in each phase, and does something at each scrape.

    Args:
        namespace: of its jobs.
        running: name of the job that runs; the others are named after their phases.
    """

    def __init__(self, namespace: str, running: str):
        memory = Memory.create(WorkQueue())
        for phase in PHASES:
            name = running if phase == "Running" else phase.lower()
            memory.put_job(job_in(phase, name, namespace))
        self._books = Books(memory, job_series=500)

    def expose(self) -> bytes:
        """Return what a scrape gets."""
        self._books.fill(leading=True)
        metrics.LEADING.set(1)
        for resource in ("pods", "configmaps"):
            # No watch is open here; the age is what an open one would tell.
            metrics.WATCH_AGE_SECONDS.labels(resource).set(time.time() % 60)
            metrics.WATCH_EVENTS.labels(resource).inc()
            metrics.WATCH_RESTARTS.labels(resource).inc()
            metrics.API_REQUESTS.labels("list", resource, "200").inc()
            metrics.API_SECONDS.labels("list", resource).observe(0.01)
        metrics.RECONCILE_ERRORS.labels("api").inc()
        metrics.RESTARTS.labels("NodeLost").inc()
        seconds = (metrics.RECONCILE_SECONDS, metrics.QUEUE_SECONDS, *metrics.MILESTONES.values())
        for histogram in seconds:
            histogram.observe(0.1)
        return generate_latest(REGISTRY)
