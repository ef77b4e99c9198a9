"""Follow the progress of running jobs: who is asked when, and where the answers go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from efficientnet_operator.core.config_maps import ConfigMapView
from efficientnet_operator.core.identity import JobRef, Key, config_map_name
from efficientnet_operator.core.view import View
from efficientnet_operator.kube.observe import Memory
from efficientnet_operator.kube.polling import ProgressPoller
from efficientnet_operator.kube.queue import WorkQueue


class ProgressWatch:
    """Asks trainers and puts their answers into the memory; each answer enqueues its job.

    Args:
        memory: where reports are left for the next view.
        queue: the jobs to be looked at.
        interval_s: between two questions to rank 0 of one job.
    """

    def __init__(self, memory: Memory, queue: WorkQueue, interval_s: float):
        self._memory = memory
        self._queue = queue
        self._interval_s = interval_s
        self._poller = ProgressPoller()
        self._polled: dict[Key, float] = {}
        self._surveying: set[Key] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def poll(self, key: Key, job: JobRef, view: View) -> None:
        """Ask rank 0, and have the job looked at again when it is to be asked again."""
        self._queue.add_after(key, self._interval_s)
        attempt, config_map = _published(job, view)
        now = time.monotonic()
        # A little early is on time: the queue's timer and this clock are read apart.
        if config_map is None or now - self._polled.get(key, 0) < self._interval_s * 0.9:
            return
        self._polled[key] = now

        async def ask() -> None:
            report = await self._poller.poll(key, config_map)
            if report is not None and key in self._memory.jobs:
                self._memory.progress[key] = (attempt, report)
                self._queue.add(key)

        self._spawn(ask())

    def survey(self, key: Key, job: JobRef, view: View) -> None:
        """Ask every rank once; while the answers come in, not again."""
        attempt, config_map = _published(job, view)
        if config_map is None or key in self._surveying:
            return
        self._surveying.add(key)

        async def ask() -> None:
            try:
                reports = await self._poller.survey(key, config_map)
            finally:
                self._surveying.discard(key)
            if key in self._memory.jobs:
                self._memory.surveys[key] = (attempt, reports)
                self._queue.add(key)

        self._spawn(ask())

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a job that is gone."""
        self._polled.pop(key, None)

    async def close(self) -> None:
        """Give up all questions and close the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._poller.close()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _published(job: JobRef, view: View) -> tuple[int, ConfigMapView | None]:
    """Return the current attempt and its ConfigMap."""
    attempt = int(view.status.get("attempt") or 0)
    return attempt, view.config_maps.get(config_map_name(job, attempt))
