"""The operator's loop: take a job key, observe, decide, execute.

Everything that happens only enqueues keys; workers wait until the caches are
filled, because an empty cache looks like a gang whose pods were all deleted.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
import uuid
from collections import Counter
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

import aiohttp
from pydantic import ValidationError

from efficientnet_operator.core.failure import KNOWN_REASONS
from efficientnet_operator.core.identity import JobRef
from efficientnet_operator.core.plan import Plan
from efficientnet_operator.core.pod_view import parse_time
from efficientnet_operator.core.reconcile import reconcile
from efficientnet_operator.core.view import View
from efficientnet_operator.kube import metrics
from efficientnet_operator.kube.client import (
    ApiError,
    KubeClient,
    core_path,
    job_path,
    pod_group_path,
)
from efficientnet_operator.kube.execute import Executor, StaleViewError
from efficientnet_operator.kube.lease import Elector
from efficientnet_operator.kube.observe import Memory
from efficientnet_operator.kube.progress_watch import ProgressWatch
from efficientnet_operator.kube.queue import Key, WorkQueue
from efficientnet_operator.settings import Settings

log = logging.getLogger(__name__)

WORKERS = 8
RESYNC_S = 300.0
GAUGES_S = 5.0
JOBS_RETRY_S = 5.0
NOT_FOUND = 404


class Controller:
    """One operator; ``start`` it in the event loop that kopf runs in."""

    def __init__(self, client: KubeClient, settings: Settings):
        self._client = client
        self._settings = settings
        self._queue = WorkQueue()
        self._memory = Memory.create(self._queue)
        self._executor = Executor(client, self._memory)
        self._progress = ProgressWatch(self._memory, self._queue, settings.progress_interval_s)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._last_turn = time.monotonic()
        self._jobs_are_served = False
        self._broken = False
        self._leading = asyncio.Event()
        self._elector = Elector(client, settings.lease, _name_self()) if settings.lease else None

    @property
    def ready(self) -> bool:
        """Whether jobs can be heard of and the caches are filled."""
        return self._jobs_are_served and self._memory.synced

    @property
    def live(self) -> bool:
        """Whether all tasks go on, and the event loop turned within the last minute."""
        return not self._broken and time.monotonic() - self._last_turn < 60

    def start(self) -> None:
        """Start watches and workers; they run until ``stop``."""
        for namespace in self._settings.namespaces or ("",):
            memory, client = self._memory, self._client
            self._spawn(memory.pods.follow(client, core_path("pods", namespace), namespace))
            self._spawn(
                memory.config_maps.follow(client, core_path("configmaps", namespace), namespace)
            )
            self._spawn(
                memory.groups.follow(client, pod_group_path(namespace), namespace, optional=True)
            )
        for _ in range(WORKERS):
            self._spawn(self._work())
        self._spawn(self._lead())
        self._spawn(self._resync())
        self._spawn(self._measure())

    async def wait_for_jobs(self) -> None:
        """Wait until jobs can be listed.

        kopf looks once for the resource that it is to watch; without the CRD or the right it
        would hear of no job, ever.
        """
        for namespace in self._settings.namespaces or ("",):
            while True:
                try:
                    await self._client.get(job_path(namespace), limit=1)
                    break
                except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                    log.warning(
                        "EfficientNetJobs cannot be listed (%s): the CRD is not installed "
                        "(deploy/crd, chart value crd.enabled), or the right is missing; "
                        "trying again every %g s",
                        error or repr(error),
                        JOBS_RETRY_S,
                    )
                await asyncio.sleep(JOBS_RETRY_S)
        self._jobs_are_served = True

    async def stop(self) -> None:
        """Stop taking keys and close the connections; state is all in the cluster."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._elector:
            await self._elector.release()
        await self._progress.close()
        await self._client.close()

    def on_job(self, event_type: str | None, document: dict[str, Any]) -> None:
        """Take a job's watch event: remember the job and enqueue its key."""
        if event_type == "DELETED":
            metadata = document["metadata"]
            key = (metadata["namespace"], metadata["name"])
            known = self._memory.jobs.get(key)
            # Events of two jobs of one name come in any order: a late one must not hit the heir.
            if known is None or known["metadata"]["uid"] == metadata["uid"]:
                self._forget(key)
            return
        self._queue.add(self._memory.put_job(document))

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_end)

    def _on_task_end(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # Half an operator looks like a whole one; the kubelet starts it anew.
            self._broken = True
            log.error("a task of the controller died", exc_info=task.exception())

    def _forget(self, key: Key) -> None:
        self._memory.forget_job(key)
        self._queue.forget(key)
        self._progress.forget(key)

    async def _lead(self) -> None:
        """Let the workers work while the Lease is ours; without one, always."""
        while True:
            if self._elector:
                await self._elector.acquire()
            metrics.LEADING.set(1)
            self._leading.set()
            for key in list(self._memory.jobs):
                self._queue.add(key)
            if self._elector is None:
                return
            await self._elector.hold()
            self._leading.clear()
            metrics.LEADING.set(0)

    async def _work(self) -> None:
        while not self._memory.synced:
            await asyncio.sleep(0.05)
        while True:
            key = await self._queue.get()
            await self._leading.wait()
            failed = True
            try:
                with metrics.RECONCILE_SECONDS.time():
                    await self._turn(key)
                failed = False
            except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                metrics.RECONCILE_ERRORS.labels("api").inc()
                log.warning("%s/%s: %s; trying again", *key, error or repr(error))
            except ValidationError as error:
                metrics.RECONCILE_ERRORS.labels("invalid").inc()
                log.error("%s/%s is not a job that can be read: %s", *key, error)
            except Exception:
                # One job's fault must not stop the others.
                metrics.RECONCILE_ERRORS.labels("internal").inc()
                log.exception("%s/%s: internal error; trying again", *key)
            finally:
                self._queue.done(key, failed=failed)

    async def _turn(self, key: Key) -> None:
        view = await self._memory.observe(key, self._client)
        if view is None:
            return
        plan = reconcile(view, datetime.now(UTC))
        metadata = view.job.metadata
        job = JobRef(metadata.namespace, metadata.name, metadata.uid)
        try:
            await self._executor.execute(plan, job)
        except StaleViewError:
            await self._read_again(key)
            return
        self._account(view, plan)
        if plan.requeue_s is not None:
            self._queue.add_after(key, plan.requeue_s)
        if plan.poll_progress:
            self._progress.poll(key, job, view)
        if plan.ask_all:
            self._progress.survey(key, job, view)
        if self._memory.refusals.get(key) and not view.refusals:
            self._queue.add(key)  # new ones: the next view tells the job's owner

    async def _read_again(self, key: Key) -> None:
        """Read a job that changed under us; drop one that is gone."""
        try:
            document = await self._client.get(job_path(*key))
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            self._forget(key)
            return
        self._memory.put_job(document)
        self._queue.add(key)

    def _account(self, view: View, plan: Plan) -> None:
        """Count what this plan changed, and tell the log."""
        status = plan.status
        if status is None:
            return
        where = f"{view.job.metadata.namespace}/{view.job.metadata.name}"
        if (status.get("restarts") or 0) > (view.status.get("restarts") or 0):
            reason = (status.get("failure") or {}).get("reason", "")
            # A trainer writes the reason: what it invents must not become a series each.
            metrics.RESTARTS.labels(reason if reason in KNOWN_REASONS else "Other").inc()
        table = status.get("rankTable") or {}
        start = parse_time(status.get("attemptStartTime"))
        completed = parse_time(table.get("completedAt"))
        if table != (view.status.get("rankTable") or {}) and start and completed:
            metrics.TABLE_SECONDS.observe((completed - start).total_seconds())
        if status.get("phase") != view.status.get("phase"):
            log.info(
                "%s: %s -> %s (attempt %s): %s",
                where,
                view.status.get("phase"),
                status.get("phase"),
                status.get("attempt"),
                plan.waits_for,
                extra={"job": where, "attempt": status.get("attempt")},
            )

    async def _resync(self) -> None:
        """Look at every job now and then, in case an event was lost."""
        while True:
            await asyncio.sleep(RESYNC_S)
            for namespace in self._settings.namespaces or ("",):
                try:
                    await self._list_jobs(namespace)
                except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                    log.warning("jobs could not be listed: %s", error or repr(error))
            for key in list(self._memory.jobs):
                self._queue.add(key)

    async def _list_jobs(self, namespace: str) -> None:
        """Take a list of the jobs as the truth: kopf tells of no deletion that it did not see."""
        documents, version = await self._client.list_all(job_path(namespace))
        for key in self._memory.replace_jobs(namespace, documents, version):
            self._forget(key)

    async def _measure(self) -> None:
        """Keep the gauges and the sign of life current."""
        while True:
            self._last_turn = time.monotonic()
            phases: Counter[str] = Counter()
            npus: Counter[str] = Counter()
            # One operator tells of the jobs, or sums over all of them would count twice.
            jobs = self._memory.jobs if self._leading.is_set() else {}
            for (namespace, _), document in jobs.items():
                status = document.get("status") or {}
                phase = status.get("phase") or "Pending"
                phases[phase] += 1
                if phase not in {"Succeeded", "Failed"}:
                    npus[namespace] += (status.get("npus") or {}).get("allocated", 0)
            metrics.JOBS.clear()
            for phase, count in phases.items():
                metrics.JOBS.labels(phase).set(count)
            metrics.NPUS_ALLOCATED.clear()
            for namespace, count in npus.items():
                metrics.NPUS_ALLOCATED.labels(namespace).set(count)
            await asyncio.sleep(GAUGES_S)


def _name_self() -> str:
    """Return a name that no other operator has, a restarted one of the same pod included."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"
