"""Limits of time: for the whole job, for an attempt to run, and for the next step."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from efficientnet_operator.core.draft import Draft
from efficientnet_operator.core.failure import PENDING_DEADLINE_EXCEEDED
from efficientnet_operator.core.pod_view import parse_time
from efficientnet_operator.core.progress import RankReport, find_most_silent
from efficientnet_operator.core.stages.ending import (
    charge_attempt,
    end_attempt,
    fail_job,
    locate,
    summarize,
)

DEADLINE_EXCEEDED = "DeadlineExceeded"
NO_PROGRESS = "NoProgress"
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
    fail_job(draft, failure, DEADLINE_EXCEEDED, message, charged=False)
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
    # What was planned for this attempt, such as another host for a part of it, is void.
    for planned in (draft.creates, draft.pods, draft.patches, draft.deletes, draft.events):
        planned.clear()
    end_attempt(draft, failure, message, charged=False)


def limit_silence(draft: Draft) -> bool:
    """Restart a gang that made no progress for ``progressDeadlineSeconds``.

    Rank 0, which is asked anyway, raises the alarm. Then all ranks are asked once: those of a
    collective stop together, and the one that stopped first is the suspect. A rank that cannot be
    reached proves nothing, so without answers nothing is done.
    """
    limit = draft.spec.run_policy.progress_deadline_seconds
    if limit is None or not draft.conditions.is_true("Running"):
        return False
    survey = draft.view.survey
    alarm = next((r for r in survey or () if r.rank == 0), draft.view.progress)
    if alarm is None or alarm.silent_s is None or alarm.silent_s < limit:
        return False
    suspect = find_most_silent(survey or ())
    if survey is None or suspect is None:
        draft.ask_all = True
        draft.wait("every rank's word on when it last made progress")
        return False
    _restart_without(draft, suspect, limit, len(survey))
    return True


def _restart_without(draft: Draft, suspect: RankReport, limit_s: int, heard: int) -> None:
    step, phase = suspect.entry.get("step"), suspect.entry.get("phase")
    message = (
        f"no step, evaluated batch or new phase for {suspect.silent_s:.0f} s, the longest of the "
        f"{heard} of {draft.spec.npus} ranks that answered; it is at step {step}, {phase}; "
        f"runPolicy.progressDeadlineSeconds is {limit_s}"
    )
    failure: dict[str, Any] = {
        "rank": suspect.rank,
        "pod": suspect.pod,
        "attempt": draft.attempt,
        "reason": NO_PROGRESS,
        "message": message,
    }
    locate(draft, failure)
    charge_attempt(draft, failure, summarize(failure))


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
    kind = next(k for k in BEFORE_RUNNING if not draft.conditions.is_true(k))
    words = draft.conditions.items.get(kind, {}).get("message") or "nothing was heard of it"
    return f"{kind} is False: {words}"
