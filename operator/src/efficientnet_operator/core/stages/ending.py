"""End an attempt or the job: what every reason for it has in common.

Attempt and terminal state go into the status before anything is done about
them, so that an operator that dies in between goes on where it stopped.
"""

from __future__ import annotations

from typing import Any

from efficientnet_operator.core.conditions import format_time
from efficientnet_operator.core.draft import Draft
from efficientnet_operator.core.failure import PERMANENT_CODES
from efficientnet_operator.core.identity import pod_group_name
from efficientnet_operator.core.npu_of_rank import find_npu

FAILURE_GRACE_S = 5
"""Siblings of a failed rank may hang in a collective; a short grace is no forced deletion."""


def finish_job(draft: Draft, kind: str, reason: str, message: str) -> None:
    """Set the terminal condition; from it there is no way back."""
    for other in ("Suspended", "Running", "Restarting"):
        draft.conditions.clear(other, reason)
    draft.conditions.set(kind, True, reason, message)
    draft.status["completionTime"] = format_time(draft.now)
    draft.status_first = True


def fail_job(
    draft: Draft, failure: dict[str, Any], reason: str, message: str, *, charged: bool = True
) -> None:
    """End the job as Failed; ``failure`` is what its last attempt died of."""
    draft.status["failure"] = failure
    draft.record_attempt(failure["reason"], message, charged)
    draft.halt_progress()
    finish_job(draft, "Failed", reason, message)


def charge_attempt(
    draft: Draft, failure: dict[str, Any], message: str, grace_s: int | None = FAILURE_GRACE_S
) -> None:
    """Begin the next attempt, or end the job where ``backoffLimit`` is used up."""
    limit = draft.spec.run_policy.backoff_limit
    if int(draft.status.get("chargedRestarts") or 0) >= limit:
        used_up = f"runPolicy.backoffLimit {limit} is used up; last: {message}"
        fail_job(draft, failure, "BackoffLimitExceeded", used_up)
    else:
        end_attempt(draft, failure, message, charged=True, grace_s=grace_s)


def end_attempt(
    draft: Draft,
    failure: dict[str, Any],
    message: str,
    *,
    charged: bool,
    grace_s: int | None = None,
) -> None:
    """Begin the next attempt; ``clearing`` and ``creating`` carry it out.

    Args:
        draft: the job.
        failure: what the attempt died of, as status.failure.
        message: the same in a sentence.
        charged: whether it counts against ``backoffLimit``.
        grace_s: of its pods; None leaves them their own, for a checkpoint.
    """
    draft.status["failure"] = failure
    draft.record_attempt(failure["reason"], message, charged)
    draft.halt_progress()
    old_pods = draft.attempt_pods
    draft.status["attempt"] = draft.attempt + 1
    draft.status["restarts"] = int(draft.status.get("restarts") or 0) + 1
    draft.status["chargedRestarts"] = int(draft.status.get("chargedRestarts") or 0) + charged
    draft.status.pop("rankTable", None)
    draft.status.pop("attemptStartTime", None)
    draft.status["npus"] = {"total": draft.spec.npus, "allocated": 0}
    for kind in ("Running", "Allocated", "Scheduled", "Created"):
        draft.conditions.withdraw(kind, "Restarting")
    # Restarting starts anew for each attempt: its time begins the back-off delay.
    draft.conditions.items.pop("Restarting", None)
    text = f"attempt {draft.attempt} follows: {message}"
    draft.conditions.set("Restarting", True, failure["reason"], text)
    draft.status_first = True
    for pod in old_pods:
        draft.delete(pod, grace_s)
    draft.wait(f"the pods of {pod_group_name(draft.job, draft.attempt - 1)} to go", 1)


def locate(draft: Draft, failure: dict[str, Any]) -> None:
    """Add node and NPU, and where the trainer did not say it the rank, to a failure of a pod."""
    pod = next((p for p in draft.attempt_pods if p.name == failure["pod"]), None)
    if pod is None:
        return
    if pod.node:
        failure["node"] = pod.node
    config_map = draft.config_map
    if config_map is None:
        return
    rank, npu = find_npu(config_map, pod, failure.get("rank"))
    if rank is not None:
        failure["rank"] = rank
    if npu is not None and draft.spec.accelerator != "CPU":
        failure["npu"] = npu


def summarize(failure: dict[str, Any]) -> str:
    """Return the failure of a rank in one sentence."""
    where = f"rank {failure['rank']}" if "rank" in failure else "a rank"
    place = f"{where} (pod {failure['pod']}"
    place += f" on {failure['node']})" if "node" in failure else ")"
    code = failure.get("exitCode")
    ended = f"exit code {code}" if code is not None else failure["reason"]
    permanent = ", which is permanent" if code in PERMANENT_CODES else ""
    detail = "" if failure["message"] == ended else f": {failure['message']}"
    return f"{place}: {ended}{permanent}{detail}"
