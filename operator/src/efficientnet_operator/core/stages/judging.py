"""Decide how an attempt ended: success, failure of the job, or the next attempt.

The whole gang is replaced, never one rank: a collective cannot take a new
member.
"""

from __future__ import annotations

from typing import Any

from efficientnet_operator.core.draft import Draft
from efficientnet_operator.core.failure import Outcome, Verdict, judge, parse_report
from efficientnet_operator.core.failure_rules import overrule
from efficientnet_operator.core.progress import finish_progress
from efficientnet_operator.core.stages.ending import (
    FAILURE_GRACE_S,
    charge_attempt,
    end_attempt,
    fail_job,
    finish_job,
    locate,
    summarize,
)
from efficientnet_operator.core.stages.losing import find_loss


def judge_end(draft: Draft) -> bool:
    """Finish a job that has ended by itself, even one that is to be suspended by now."""
    pods = draft.attempt_pods
    if not draft.missing and pods and all(p.phase == "Succeeded" for p in pods):
        _succeed(draft)
        return True
    if not draft.spec.run_policy.suspend:
        return False
    verdict = _judge(draft)
    if verdict is None or verdict.outcome is not Outcome.PERMANENT:
        return False
    _act_on(draft, verdict)
    return True


def judge_attempt(draft: Draft) -> bool:
    """Begin the next attempt or fail the job, where the pods say so."""
    verdict = _judge(draft, find_loss(draft))
    if verdict is None:
        return False
    if verdict.outcome is Outcome.UNDECIDED:
        draft.wait("the other ranks' reports, up to 5 s after the first failure", 1)
    else:
        _act_on(draft, verdict)
    return True


def _judge(draft: Draft, loss: dict[str, Any] | None = None) -> Verdict | None:
    """Return the verdict over the attempt by its pods, or by what they lost under their feet."""
    pods = draft.attempt_pods
    if draft.conditions.is_true("Created"):
        missing = [draft.name_of(i) for i in draft.missing]
    else:
        # Until all pods stood at once, one that goes is created again, not missed.
        pods, missing = [p for p in pods if not p.deleting], []
    verdict = judge(pods, missing, draft.attempt, draft.now)
    # A dead chip explains the crash of its rank, a lost node that of its mates; what a permanent
    # code says would happen again anywhere.
    if loss and (verdict is None or verdict.outcome is not Outcome.PERMANENT):
        verdict = Verdict(Outcome.DISRUPTED, loss)
    return verdict and overrule(verdict, draft.spec.run_policy.failure_policy.rules)


def _act_on(draft: Draft, verdict: Verdict) -> None:
    failure = verdict.failure
    locate(draft, failure)
    message = summarize(failure) + (f" ({verdict.rule})" if verdict.rule else "")
    grace_s = FAILURE_GRACE_S if verdict.siblings_hang else None
    if verdict.outcome is Outcome.PERMANENT:
        fail_job(draft, failure, "FailurePolicy" if verdict.rule else failure["reason"], message)
    elif verdict.outcome is Outcome.FAILED:
        charge_attempt(draft, failure, message, grace_s)
    else:
        end_attempt(draft, failure, message, charged=False, grace_s=grace_s)


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
