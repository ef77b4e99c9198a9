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
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import aiohttp
from pydantic import ValidationError

from efficientnet_operator.core.identity import JobRef, Key
from efficientnet_operator.core.job_history import History
from efficientnet_operator.core.reconcile import reconcile
from efficientnet_operator.core.resources import JOB
from efficientnet_operator.kube import metrics
from efficientnet_operator.kube.accounting import Books, account
from efficientnet_operator.kube.cache import ChildCache
from efficientnet_operator.kube.client import ApiError, KubeClient
from efficientnet_operator.kube.execute import Executor, StaleViewError
from efficientnet_operator.kube.health import describe_stall
from efficientnet_operator.kube.lease import Elector
from efficientnet_operator.kube.observe import Memory
from efficientnet_operator.kube.progress_watch import ProgressWatch
from efficientnet_operator.kube.queue import WorkQueue
from efficientnet_operator.logs import about
from efficientnet_operator.settings import Settings

log = logging.getLogger(__name__)

WORKERS = 16
RESYNC_S = 300.0
BEAT_S = 1.0
JOBS_RETRY_S = 5.0
RESTS_PER_THOUGHT = 9
"""A look at a gang of 5,000 takes 50 ms. While all its pods change it is not looked at all the
time: nine tenths are left for other jobs, for hearing news, and for the API server and scheduler
where they share the machine. Half a second later is soon enough for a table of 5,000."""


class SelectorError(ValueError):
    """The API server cannot read the selector of the jobs."""


class Controller:
    """One operator; ``start`` it in the event loop that kopf runs in."""

    def __init__(self, client: KubeClient, settings: Settings, history: History | None = None):
        self._client = client
        self._settings = settings
        self._queue = WorkQueue()
        self._queue.close()  # until we lead
        self._memory = Memory.create(self._queue, kueue=settings.kueue, history=history)
        self._executor = Executor(client, self._memory)
        self._progress = ProgressWatch(self._memory, self._queue, settings.progress_interval_s)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._last_beat = time.monotonic()
        self._jobs_are_served = False
        self._leading = False
        self._books = Books(self._memory, settings.job_series)
        self._broken = False
        self._elector = Elector(client, settings.lease, _name_self()) if settings.lease else None

    @property
    def jobs(self) -> Mapping[Key, dict[str, Any]]:
        """The jobs that are known, as JSON; to be read only."""
        return self._memory.jobs

    def find_lack(self) -> str:
        """Return what is missing for the work, in words; "" where nothing is."""
        if not self._jobs_are_served:
            return "EfficientNetJobs cannot be listed yet"
        return "" if self._memory.synced else "the caches are not filled yet"

    def find_stall(self) -> str:
        """Return what stands still though it should not, in words; "" where nothing does.

        The watch of the jobs is kopf's, which opens it anew after 70 s of silence.
        """
        if self._broken:
            return "a task of the controller has died; the log says why"
        needed = (self._memory.pods, self._memory.config_maps)
        return describe_stall(
            time.monotonic() - self._last_beat, {c.resource: c.silent_s for c in needed}
        )

    def fill_gauges(self) -> None:
        """Bring the metrics up to date."""
        self._books.fill(leading=self._leading)

    def start(self) -> None:
        """Start watches and workers; they run until ``stop``."""
        memory, client = self._memory, self._client
        for namespace in self._settings.namespaces or ("",):
            for cache, path, optional in children_to_watch(memory, namespace):
                self._spawn(cache.follow(client, path, namespace, optional=optional))
        for resource, flavors in memory.flavors.items():
            self._spawn(flavors.follow(client, resource.path()))
        self._spawn(memory.surroundings.follow_nodes(client))
        if self._settings.chip_health:
            self._spawn(memory.surroundings.follow_chips(client))
        for _ in range(WORKERS):
            self._spawn(self._work())
        self._spawn(self._lead())
        self._spawn(self._resync())
        self._spawn(self._beat())

    async def wait_for_jobs(self) -> None:
        """Wait until jobs can be listed.

        kopf looks once for the resource that it is to watch; without the CRD or the right it
        would hear of no job, ever.

        Raises:
            SelectorError: no answer will ever come for ``--selector``.
        """
        for namespace in self._settings.namespaces or ("",):
            while True:
                try:
                    await self._select_jobs(namespace, limit=1)
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
        """Take a job's watch event: remember the job and enqueue its key.

        A job whose labels no longer match the selector comes as DELETED, too: it is somebody
        else's then, and its children are left as they are.
        """
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
            self._leading = True
            for key in list(self._memory.jobs):
                self._queue.add(key)
            self._queue.open()
            if self._elector is None:
                return
            await self._elector.hold()
            self._leading = False
            self._queue.close()
            metrics.LEADING.set(0)

    async def _work(self) -> None:
        while not self._memory.synced:
            await asyncio.sleep(0.05)
        while True:
            key = await self._queue.get()
            status = self._memory.jobs.get(key, {}).get("status") or {}
            with about(job="/".join(key), attempt=status.get("attempt") or 0):
                failed = not await self._try_turn(key)
            self._queue.done(key, failed=failed)

    async def _try_turn(self, key: Key) -> bool:
        """Take a turn; return whether nothing went wrong."""
        try:
            with metrics.RECONCILE_SECONDS.time():
                await self._turn(key)
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            metrics.RECONCILE_ERRORS.labels("api").inc()
            log.warning("%s; trying again", error or repr(error))
        except ValidationError as error:
            metrics.RECONCILE_ERRORS.labels("invalid").inc()
            log.error("%s/%s is not a job that can be read: %s", *key, error)
        except Exception:
            # One job's fault must not stop the others.
            metrics.RECONCILE_ERRORS.labels("internal").inc()
            log.exception("internal error; trying again")
        else:
            return True
        return False

    async def _turn(self, key: Key) -> None:
        view = await self._memory.observe(key, self._client)
        if view is None:
            return
        now = datetime.now(UTC)
        began = time.monotonic()
        plan = reconcile(view, now)
        self._queue.rest(key, RESTS_PER_THOUGHT * (time.monotonic() - began))
        metadata = view.job.metadata
        job = JobRef(metadata.namespace, metadata.name, metadata.uid)
        try:
            version = metadata.resource_version
            await self._executor.execute(plan, job, version, lambda: account(view, plan, now))
        except StaleViewError:
            await self._read_again(key)
            return
        if plan.requeue_s is not None:
            self._queue.add_after(key, plan.requeue_s)
        if plan.poll_progress:
            self._progress.poll(key, job, view)
        if plan.ask_all:
            self._progress.survey(key, job, view)
        if self._memory.refusals.get(key) and not view.refusals:
            self._queue.add(key)  # new ones: the next view tells the job's owner

    async def _read_again(self, key: Key) -> None:
        """Read a job that changed under us; drop one that is gone, or that is not ours now."""
        namespace, name = key
        # A list, because only that takes the selector.
        found = await self._select_jobs(namespace, fieldSelector=f"metadata.name={name}")
        if found:
            self._queue.add(self._memory.put_job(found[0]))
        else:
            self._forget(key)

    async def _select_jobs(self, namespace: str, **query: Any) -> list[dict[str, Any]]:
        selector = self._settings.selector
        try:
            answer = await self._client.get(JOB.path(namespace), labelSelector=selector, **query)
        except ApiError as error:
            if selector and error.status == HTTPStatus.BAD_REQUEST:
                raise SelectorError(f"--selector {selector!r}: {error.message}") from error
            raise
        jobs: list[dict[str, Any]] = answer.get("items") or []
        return jobs

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
        documents, version = await self._client.list_all(
            JOB.path(namespace), dict, self._settings.selector
        )
        for key in self._memory.replace_jobs(namespace, documents, version):
            self._forget(key)

    async def _beat(self) -> None:
        """Give the sign of life, and tell how late the loop is."""
        while True:
            self._last_beat = time.monotonic()
            await asyncio.sleep(BEAT_S)
            late_s = time.monotonic() - self._last_beat - BEAT_S
            metrics.LOOP_LAG_SECONDS.set(max(late_s, 0.0))


def children_to_watch(memory: Memory, namespace: str) -> list[tuple[ChildCache[Any], str, bool]]:
    """Return each cache, the path that fills it, and whether that API may be missing."""
    return [
        (cache, resource.path(namespace), resource in memory.optional)
        for resource, cache in memory.caches.items()
    ]


def _name_self() -> str:
    """Return a name that no other operator has, a restarted one of the same pod included."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"
