"""Decide how an attempt ended: success, failure of the job, or the next attempt.

The whole gang is replaced, never one rank: a collective cannot take a new
member.
"""

from __future__ import annotations

from typing import Any

from efficientnet_operator.core.draft import Draft
from efficientnet_operator.core.failure import Outcome, Verdict, judge, parse_report
from efficientnet_operator.core.failure_rules import overrule
from efficientnet_operator.core.npu_of_rank import find_npu
from efficientnet_operator.core.progress import finish_progress
from efficientnet_operator.core.stages.ending import (
    FAILURE_GRACE_S,
    end_attempt,
    fail_job,
    finish_job,
    summarize,
)


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
    _act_on(draft, overrule(verdict, draft.spec.run_policy.failure_policy.rules))
    return True


def _act_on(draft: Draft, verdict: Verdict) -> None:
    failure, policy = verdict.failure, draft.spec.run_policy
    _locate(draft, failure)
    message = summarize(failure) + (f" ({verdict.rule})" if verdict.rule else "")
    charged = verdict.outcome is Outcome.FAILED
    if verdict.outcome is Outcome.PERMANENT:
        fail_job(draft, failure, "FailurePolicy" if verdict.rule else failure["reason"], message)
    elif charged and int(draft.status.get("chargedRestarts") or 0) >= policy.backoff_limit:
        used_up = f"runPolicy.backoffLimit {policy.backoff_limit} is used up; last: {message}"
        fail_job(draft, failure, "BackoffLimitExceeded", used_up)
    else:
        grace_s = None if verdict.outcome is Outcome.DISRUPTED else FAILURE_GRACE_S
        end_attempt(draft, failure, message, charged=charged, grace_s=grace_s)


def _succeed(draft: Draft) -> None:
    reports = (parse_report(p.termination.message) for p in draft.attempt_pods if p.termination)
    report: dict[str, Any] = next((r for r in reports if r.get("rank") == 0), {})
    progress = finish_progress(draft.status.get("progress") or {}, report, draft.now)
    draft.status["progress"] = progress
    figures = [f"step {progress['step']}"] if "step" in progress else []
    figures += [f"top-1 {progress['top1']:.3f}"] if "top1" in progress else []
    message = ", ".join([f"all {draft.spec.npus} ranks succeeded", *figures])
    draft.record_attempt("Completed", message, charged=False)
    finish_job(draft, "Succeeded", "Completed", message)


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
