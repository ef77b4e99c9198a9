"""Kueue decides when a job may run: queue it, hold it back, and tell how it goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from efficientnet_operator.core.draft import Draft
from efficientnet_operator.core.kueue.reports import Report
from efficientnet_operator.core.kueue.workload_view import WorkloadView
from efficientnet_operator.core.kueue.workloads import (
    QUEUE_LABEL,
    build_admitted_patch,
    build_workload,
    workload_name,
)
from efficientnet_operator.core.plan import Delete, Patch
from efficientnet_operator.core.resources import WORKLOADS
from efficientnet_operator.core.view import FORBIDDEN

LOOK_AGAIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a job counts as suspended: reason and message of the condition, and what would help."""

    reason: str
    message: str
    waits_for: str


def hold_for_kueue(draft: Draft) -> Hold | None:
    """Return why Kueue does not let the job run; None where it does, or has no say."""
    queue = _queue_of(draft)
    if not queue:
        return None
    resource = next((r for r in WORKLOADS if r not in draft.view.absent), None)
    if resource is None:
        # Of a job that was admitted, an API that went says nothing.
        admitted = draft.conditions.is_true("Created")
        return None if admitted else _hold_without_api(draft, queue)
    workload = _workload(draft)
    if workload is None:
        refusal = draft.view.refusals.get(workload_name(draft.job))
        if refusal:
            draft.look_again(LOOK_AGAIN_S)
            return Hold("WaitingForAdmission", refusal.message, "the way to be free")
        draft.creates.append(build_workload(resource, draft.job, draft.spec, queue))
        draft.look_again(LOOK_AGAIN_S)
        return Hold("WaitingForAdmission", f"queue {queue}: its Workload is made", "its Workload")
    if workload.queue != queue and not workload.reserved:
        body = {"spec": {"queueName": queue}}
        draft.patches.append(Patch(workload.resource, workload.name, body))
    return _hold_by(workload)


def leave_queue(draft: Draft) -> None:
    """Take a job that its user suspended out of its queue, once its last pod is gone."""
    workload = _workload(draft)
    if workload and not workload.deleting and not draft.own_pods:
        draft.deletes.append(Delete(workload.name, workload.uid, resource=workload.resource))


def find_admitted_patch(draft: Draft) -> dict[str, Any] | None:
    """Return what the admission adds to the pods; None, with the condition set, if unknown."""
    queueing, workload = draft.view.kueue, _workload(draft)
    if queueing is None or workload is None or not draft.missing:
        return {}
    unknown = [f for f in workload.flavors if f not in queueing.flavors]
    if unknown:
        source = queueing.flavor_source or "it was not found"
        message = f"ResourceFlavor {unknown[0]} of Workload {workload.name}: {source}"
        draft.conditions.set("Created", False, "FlavorUnreadable", message)
        draft.wait(f"ResourceFlavor {unknown[0]}", LOOK_AGAIN_S)
        return None
    return build_admitted_patch(workload, queueing.flavors)


def report_to_kueue(draft: Draft) -> None:
    """Tell Kueue how the job stands; last, when the conditions are those of now."""
    workload = _workload(draft)
    if workload is None or workload.deleting:
        return
    report = Report(workload, draft.now)
    if draft.finished:
        kind = "Succeeded" if draft.conditions.is_true("Succeeded") else "Failed"
        report.finish(
            kind == "Succeeded", str(draft.conditions.items[kind].get("message") or kind)
        )
    else:
        if workload.is_true("Admitted") or "PodsReady" in workload.conditions:
            report.set_pods_ready(draft.conditions.is_true("Running"))
        if workload.is_true("Evicted") and workload.reserved and not draft.own_pods:
            report.release()
    patch = report.to_patch()
    if patch:
        draft.reports.append(patch)


def _workload(draft: Draft) -> WorkloadView | None:
    return draft.view.kueue.workload if draft.view.kueue else None


def _queue_of(draft: Draft) -> str:
    """Return the queue; a Workload that exists is heeded even if the label was taken away."""
    if draft.view.kueue is None:
        return ""
    workload = draft.view.kueue.workload
    return draft.view.job.metadata.labels.get(QUEUE_LABEL) or (workload.queue if workload else "")


def _hold_without_api(draft: Draft, queue: str) -> Hold:
    where = f"{WORKLOADS[0].plural} of {WORKLOADS[0].api_version}"
    message = f"the label {QUEUE_LABEL} is {queue}, and {where} "
    draft.look_again(LOOK_AGAIN_S)
    if draft.view.absent.get(WORKLOADS[0]) == FORBIDDEN:
        words = "may not be listed by the operator: set the chart's value kueue.enabled"
        return Hold("KueueApiForbidden", message + words, where)
    words = "are not served here: install Kueue, or start the operator without --kueue"
    return Hold("KueueApiMissing", f"{message}{words}; it is looked for each minute", where)


def _hold_by(workload: WorkloadView) -> Hold | None:
    queued = f"queue {workload.queue}: "
    if workload.deleting:
        words = f"Workload {workload.name} is being deleted"
        return Hold("WaitingForAdmission", queued + words, "a new Workload")
    waits_for = f"Kueue to admit Workload {workload.name}"
    if not workload.active:
        words = f"spec.active of Workload {workload.name} is false"
        return Hold("Deactivated", queued + words, waits_for)
    if workload.is_true("Evicted"):
        words = workload.words("Evicted") or "no reason given"
        newer = "" if workload.reserved else workload.words("QuotaReserved")
        words += f"; since then: {newer}" if newer not in {"", words} else ""
        return Hold("Evicted", f"{queued}evicted: {words}", waits_for)
    if workload.is_true("Admitted"):
        return None
    words = "; ".join(workload.checks) if workload.is_true("QuotaReserved") else ""
    words = words or workload.words("QuotaReserved") or "nothing was heard from Kueue yet"
    return Hold("WaitingForAdmission", queued + words, waits_for)
