"""Limits of time: for the whole job, and for one attempt to get its pods and NPUs."""

from __future__ import annotations

from datetime import timedelta

from efficientnet_operator.core.draft import Draft
from efficientnet_operator.core.pod_view import parse_time
from efficientnet_operator.core.stages.ending import end_attempt, fail_job

DEADLINE_EXCEEDED = "DeadlineExceeded"
PENDING_DEADLINE_EXCEEDED = "PendingDeadlineExceeded"
BEFORE_RUNNING = ("Created", "Scheduled", "Allocated", "Running")


def limit_active_time(draft: Draft) -> bool:
    """Fail a job that took longer than ``activeDeadlineSeconds`` since it started or resumed."""
    limit = draft.spec.run_policy.active_deadline_seconds
    if limit is None or not _is_over(draft, draft.status.get("startTime"), limit):
        return False
    step = (draft.status.get("progress") or {}).get("step")
    done = f"step {step} of {draft.total_steps}" if step is not None else "no step"
    message = (
        f"runPolicy.activeDeadlineSeconds {limit} is over, with {done} done; "
        "its checkpoints are kept: a new job with the same output goes on from there"
    )
    failure = {"attempt": draft.attempt, "reason": DEADLINE_EXCEEDED, "message": message}
    fail_job(draft, failure, DEADLINE_EXCEEDED, message)
    return True


def limit_pending_time(draft: Draft) -> None:
    """Give a gang back that does not run within ``pendingDeadlineSeconds``, uncharged.

    Gangs that each hold a part of the NPUs wait for each other for ever; the
    one that lets go lets the other run, and tries again later.
    """
    limit = draft.spec.run_policy.pending_deadline_seconds
    if limit is None or draft.conditions.is_true("Running") or not draft.own_pods:
        return
    if not _is_over(draft, draft.status.get("attemptStartTime"), limit):
        return
    message = (
        f"attempt {draft.attempt} did not run within runPolicy.pendingDeadlineSeconds {limit}: "
        f"{_what_it_waited_for(draft)}"
    )
    failure = {"attempt": draft.attempt, "reason": PENDING_DEADLINE_EXCEEDED, "message": message}
    for planned in (draft.creates, draft.pods, draft.patches):
        planned.clear()
    end_attempt(draft, failure, message, charged=False)


def _is_over(draft: Draft, start: str | None, limit_s: int) -> bool:
    """Tell whether a limit has passed, and have the job looked at again when it will."""
    started = parse_time(start)
    if started is None:
        return False
    left = (started + timedelta(seconds=limit_s) - draft.now).total_seconds()
    if left > 0:
        draft.look_again(left)
    return left <= 0


def _what_it_waited_for(draft: Draft) -> str:
    """Return the words of the first condition that was not met: the scheduler's, for instance."""
    for kind in BEFORE_RUNNING:
        condition = draft.conditions.items.get(kind, {})
        if condition.get("status") != "True":
            words = condition.get("message") or "nothing was heard of it"
            return f"{kind} is False: {words}"
    return "nothing was heard of it"
