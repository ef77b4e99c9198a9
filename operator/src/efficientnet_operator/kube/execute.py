"""Carry out a plan: the only writer.

In this order: status where it comes first; deletes; creates; patches; other
status. Events follow the status that they tell of. A status that someone else
wrote meanwhile (409) stops the plan: its view is no longer true. Reports, which
others read, come last.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import aiohttp

from efficientnet_operator.api.names import API_VERSION, KIND
from efficientnet_operator.core.conditions import format_time
from efficientnet_operator.core.identity import (
    ATTEMPT_LABEL,
    JOB_NAME_LABEL,
    JOB_UID_LABEL,
    JobRef,
)
from efficientnet_operator.core.metadata import find_controller
from efficientnet_operator.core.plan import Delete, Event, Patch, Plan
from efficientnet_operator.core.resources import CONFIG_MAP, EVENT, JOB, POD, Resource, resource_of
from efficientnet_operator.core.view import Refusal
from efficientnet_operator.kube.client import CONFLICT, NOT_FOUND, ApiError, KubeClient
from efficientnet_operator.kube.observe import Memory

log = logging.getLogger(__name__)

T = TypeVar("T")

FIELD_MANAGER = "efficientnet-operator"
AT_ONCE = 64
"""Requests under way at once; more only queue up in the API server."""

REFUSED = {400: "Invalid", 403: "Forbidden", 404: "NotInstalled", 422: "Invalid"}
"""Answers to a create that waiting alone does not mend, by the condition's reason."""


class StaleViewError(Exception):
    """The job changed since it was observed; observe again."""


class Executor:
    """Writes to the API server what plans say, and to the caches what it answered."""

    def __init__(self, client: KubeClient, memory: Memory):
        self._client = client
        self._memory = memory
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def execute(
        self, plan: Plan, job: JobRef, version: str, on_stored: Callable[[], None] = lambda: None
    ) -> None:
        """Carry out one plan.

        Args:
            plan: what to do.
            job: whose plan it is.
            version: resourceVersion of the job that the plan was made of. Not the newest known:
                watches bring others while the view is gathered and while the plan is carried out.
            on_stored: called when the status is stored, or is as it should be.

        Raises:
            StaleViewError: the job was changed by someone else; nothing more was done.
            ApiError: the server failed; the rest is tried again with the next plan.
        """
        if plan.status_first:
            version = await self._store_and_tell(plan, job, version, on_stored)
        await self._all(self._delete, plan.deletes, job)
        for document in plan.creates:
            if not await self._create(document, job):
                return
        await self._all(self._create, plan.pods, job)
        for patch in plan.patches:
            if patch.resource is not POD:
                await self._patch(patch, job)
        await self._all(self._patch, [p for p in plan.patches if p.resource is POD], job)
        if not plan.status_first:
            version = await self._store_and_tell(plan, job, version, on_stored)
        await self._all(self._report, plan.reports, job)
        if plan.delete_job:
            await self._delete_job(job, version)

    async def _all(
        self, call: Callable[[T, JobRef], Awaitable[Any]], items: Sequence[T], job: JobRef
    ) -> None:
        """Call for each item, side by side; the first error is raised after all have ended."""
        errors: list[Exception] = []
        waiting = iter(items)

        async def work() -> None:
            # Not a task for each item: thousands of them would cost memory.
            for item in waiting:
                try:
                    async with self._slots:
                        await call(item, job)
                except Exception as error:
                    errors.append(error)

        await asyncio.gather(*(work() for _ in range(min(AT_ONCE, len(items)))))
        if errors:
            raise errors[0]

    async def _store_and_tell(
        self, plan: Plan, job: JobRef, version: str, on_stored: Callable[[], None]
    ) -> str:
        """Store the status and tell of it at once: if the rest fails, the next plan cannot.

        Returns:
            The version that the job has now.
        """
        version = await self._apply_status(plan, job, version)
        on_stored()
        await self._all(self._tell, plan.events, job)
        return version

    async def _apply_status(self, plan: Plan, job: JobRef, version: str) -> str:
        if plan.status is None:
            return version
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {
                "name": job.name,
                "namespace": job.namespace,
                "uid": job.uid,
                "resourceVersion": version,
            },
            "status": plan.status,
        }
        try:
            stored = await self._client.apply(
                JOB.path(job.namespace, job.name, "status"), body, FIELD_MANAGER
            )
        except ApiError as error:
            if error.status in {CONFLICT, NOT_FOUND}:
                raise StaleViewError(str(error)) from error
            raise
        self._memory.stored[self._memory.put_job(stored)] = time.monotonic()
        return str(stored["metadata"]["resourceVersion"])

    async def _delete(self, delete: Delete, job: JobRef) -> None:
        options: dict[str, Any] = {"preconditions": {"uid": delete.uid}}
        if delete.grace_s is not None:
            options["gracePeriodSeconds"] = delete.grace_s
        try:
            path = delete.resource.path(job.namespace, delete.name)
            answer = await self._client.delete(path, options)
        except ApiError as error:
            # Gone already, or the name has a new owner: what was to go is gone.
            if error.status not in {NOT_FOUND, CONFLICT}:
                raise
            return
        if (answer.get("metadata") or {}).get("deletionTimestamp"):
            self._memory.caches[delete.resource].put(answer)

    async def _delete_job(self, job: JobRef, version: str) -> None:
        """Delete the job as it was observed: one that was changed meanwhile is looked at again."""
        preconditions = {"uid": job.uid, "resourceVersion": version}
        options = {"preconditions": preconditions, "propagationPolicy": "Background"}
        try:
            await self._client.delete(JOB.path(job.namespace, job.name), options)
        except ApiError as error:
            if error.status in {CONFLICT, NOT_FOUND}:
                raise StaleViewError(str(error)) from error
            raise

    async def _create(self, document: Mapping[str, Any], job: JobRef) -> bool:
        """Create one child; return whether it stands now, as ours."""
        name = document["metadata"]["name"]
        resource = resource_of(document)
        try:
            stored = await self._client.create(resource.path(job.namespace), document)
        except ApiError as error:
            if error.status == CONFLICT:
                return await self._resolve_conflict(resource, document, job)
            if error.status not in REFUSED:
                raise
            reason = f"{document['kind']}{REFUSED[error.status]}"
            message = f"{document['kind']} {name} was not created: {error.message}"
            self._memory.refuse((job.namespace, job.name), name, Refusal(reason, message))
            return False
        self._memory.caches[resource].put(stored)
        return True

    async def _resolve_conflict(
        self, resource: Resource, document: Mapping[str, Any], job: JobRef
    ) -> bool:
        """Find out who has the name: us, a predecessor on its way out, or somebody else."""
        kind, name = document["kind"], document["metadata"]["name"]
        try:
            existing = await self._client.get(resource.path(job.namespace, name))
        except ApiError as error:
            if error.status == NOT_FOUND:
                return False  # gone meanwhile: the next plan creates it
            raise
        metadata = existing["metadata"]
        labels = metadata.get("labels") or {}
        owner = find_controller(existing)
        # What belongs to the job, not to an attempt, has no such label on either side.
        wanted = document["metadata"]["labels"].get(ATTEMPT_LABEL)
        if owner.get("uid") == job.uid and labels.get(ATTEMPT_LABEL) == wanted:
            self._memory.caches[resource].put(existing)
            return "deletionTimestamp" not in metadata  # one on its way out is waited for
        if labels.get(JOB_NAME_LABEL) == job.name and owner.get("uid") == labels.get(
            JOB_UID_LABEL, "-"
        ):
            refusal = Refusal(
                "WaitingForPods", f"{kind} {name} of a deleted job of the same name still exists"
            )
        else:
            whose = (
                f"controlled by {owner['kind']} {owner['name']}" if owner else "of no controller"
            )
            refusal = Refusal(
                "NameConflict",
                f"{kind} {job.namespace}/{name} exists and is {whose}; it is left as it is: "
                "delete or rename it, or give the job another name",
            )
        self._memory.refuse((job.namespace, job.name), name, refusal)
        return False

    async def _patch(self, patch: Patch, job: JobRef) -> None:
        path = patch.resource.path(job.namespace, patch.name)
        try:
            stored = await self._client.merge_patch(path, patch.body)
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            if patch.resource is CONFIG_MAP:
                # What follows would tell of a table that is not there.
                raise StaleViewError(f"ConfigMap {patch.name} is gone") from error
            return  # its deletion is on the way and will be judged
        self._memory.caches[patch.resource].put(stored)

    async def _report(self, patch: Patch, job: JobRef) -> None:
        path = patch.resource.path(job.namespace, patch.name, patch.subresource)
        try:
            stored = await self._client.merge_patch(path, patch.body, FIELD_MANAGER)
        except ApiError as error:
            # Gone, or changed by its other writers: the watch brings it, and another turn with it.
            if error.status not in {NOT_FOUND, CONFLICT}:
                raise
            return
        self._memory.caches[patch.resource].put(stored)

    async def _tell(self, event: Event, job: JobRef) -> None:
        now = datetime.now(UTC)
        stamp = format_time(now)
        body = {
            "metadata": {"generateName": f"{job.name}-", "namespace": job.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "name": job.name,
                "namespace": job.namespace,
                "uid": job.uid,
            },
            "type": event.type,
            "reason": event.reason,
            "message": event.message[:1024],
            "eventTime": stamp,
            "reportingComponent": FIELD_MANAGER,
            "reportingInstance": FIELD_MANAGER,
            "action": "Reconcile",
        }
        try:
            await self._client.create(EVENT.path(job.namespace), body)
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            # An event tells people; its loss must not stop a job.
            log.warning("event %s was not stored: %s", event.reason, error or repr(error))
