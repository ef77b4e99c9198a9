"""Decide how an attempt ended: success, failure of the job, or the next attempt.

The whole gang is replaced, never one rank: a collective cannot take a new
member. Attempt and terminal state go into the status before anything is done
about them, so that an operator that dies in between goes on where it stopped.
"""

from __future__ import annotations

from typing import Any

from efficientnet_operator.core.conditions import format_time
from efficientnet_operator.core.draft import Draft
from efficientnet_operator.core.failure import (
    PERMANENT_CODES,
    Outcome,
    Verdict,
    judge,
    parse_report,
)
from efficientnet_operator.core.identity import pod_group_name
from efficientnet_operator.core.npu_of_rank import find_npu
from efficientnet_operator.core.progress import finish_progress

FAILURE_GRACE_S = 5
"""Siblings may hang in a collective; a short grace is not a forced deletion."""


def judge_attempt(draft: Draft) -> bool:
    """Finish the job or begin the next attempt, where the pods say so."""
    pods = draft.attempt_pods
    if not draft.missing and pods and all(p.phase == "Succeeded" for p in pods):
        _succeed(draft)
        return True
    if draft.conditions.is_true("Created"):
        missing = [draft.name_of(i) for i in draft.missing]
    else:
        # Until all pods stood at once, one that goes is created again, not missed.
        pods, missing = [p for p in pods if not p.deleting], []
    verdict = judge(pods, missing, draft.attempt, draft.now)
    if verdict is None:
        return False
    if verdict.outcome is Outcome.UNDECIDED:
        draft.wait("the other ranks' reports, up to 5 s after the first failure", 1)
        return True
    _locate(draft, verdict.failure)
    if verdict.outcome is Outcome.DISRUPTED:
        _restart(draft, verdict, charged=False)
    elif verdict.outcome is Outcome.PERMANENT:
        _fail(draft, verdict.failure, verdict.failure["reason"])
    elif int(draft.status.get("chargedRestarts") or 0) >= draft.spec.run_policy.backoff_limit:
        _fail(draft, verdict.failure, "BackoffLimitExceeded")
    else:
        _restart(draft, verdict, charged=True)
    return True


def _succeed(draft: Draft) -> None:
    reports = (parse_report(p.termination.message) for p in draft.attempt_pods if p.termination)
    report: dict[str, Any] = next((r for r in reports if r.get("rank") == 0), {})
    progress = finish_progress(draft.status.get("progress") or {}, report, draft.now)
    draft.status["progress"] = progress
    figures = [f"step {progress['step']}"] if "step" in progress else []
    figures += [f"top-1 {progress['top1']:.3f}"] if "top1" in progress else []
    message = ", ".join([f"all {draft.spec.npus} ranks succeeded", *figures])
    draft.record_attempt("Completed", message, charged=False)
    _finish(draft, "Succeeded", "Completed", message)


def _fail(draft: Draft, failure: dict[str, Any], reason: str) -> None:
    draft.status["failure"] = failure
    message = summarize(failure)
    if reason == "BackoffLimitExceeded":
        limit = draft.spec.run_policy.backoff_limit
        message = f"runPolicy.backoffLimit {limit} is used up; last: {message}"
    draft.record_attempt(failure["reason"], message, charged=True)
    _finish(draft, "Failed", reason, message)


def _finish(draft: Draft, kind: str, reason: str, message: str) -> None:
    for other in ("Running", "Restarting"):
        draft.conditions.clear(other, reason)
    draft.conditions.set(kind, True, reason, message)
    draft.status["completionTime"] = format_time(draft.now)
    draft.status_first = True


def _restart(draft: Draft, verdict: Verdict, *, charged: bool) -> None:
    """Begin the next attempt; ``clearing`` and ``creating`` carry it out."""
    failure = verdict.failure
    draft.status["failure"] = failure
    message = summarize(failure)
    draft.record_attempt(failure["reason"], message, charged)
    old_pods = draft.attempt_pods
    draft.status["attempt"] = draft.attempt + 1
    draft.status["restarts"] = int(draft.status.get("restarts") or 0) + 1
    draft.status["chargedRestarts"] = int(draft.status.get("chargedRestarts") or 0) + charged
    draft.status.pop("rankTable", None)
    draft.status.pop("attemptStartTime", None)
    draft.status["npus"] = {"total": draft.spec.npus, "allocated": 0}
    for kind in ("Running", "Allocated", "Scheduled", "Created"):
        draft.conditions.clear(kind, "Restarting")
    # Restarting starts anew for each attempt: its time begins the back-off delay.
    draft.conditions.items.pop("Restarting", None)
    text = f"attempt {draft.attempt} follows: {message}"
    draft.conditions.set("Restarting", True, failure["reason"], text)
    draft.status_first = True
    grace = FAILURE_GRACE_S if verdict.outcome is Outcome.FAILED else None
    for pod in old_pods:
        draft.delete(pod, grace)
    draft.wait(f"the pods of {pod_group_name(draft.job, draft.attempt - 1)} to go", 1)


def _locate(draft: Draft, failure: dict[str, Any]) -> None:
    """Add the NPU, and where the trainer did not say it the rank, to a failure."""
    pod = next((p for p in draft.attempt_pods if p.name == failure["pod"]), None)
    config_map = draft.config_map
    if pod is None or config_map is None:
        return
    rank, npu = find_npu(config_map, pod, failure.get("rank"))
    if rank is not None:
        failure["rank"] = rank
    if npu is not None and draft.spec.accelerator != "CPU":
        failure["npu"] = npu


def summarize(failure: dict[str, Any]) -> str:
    """Return a failure in one sentence."""
    where = f"rank {failure['rank']}" if "rank" in failure else "a rank"
    place = f"{where} (pod {failure['pod']}"
    place += f" on {failure['node']})" if "node" in failure else ")"
    code = failure.get("exitCode")
    ended = f"exit code {code}" if code is not None else failure["reason"]
    permanent = ", which is permanent" if code in PERMANENT_CODES else ""
    detail = "" if failure["message"] == ended else f": {failure['message']}"
    return f"{place}: {ended}{permanent}{detail}"
