"""Decide what to do for one job: ``reconcile(view, now) -> Plan``.

Level-triggered: the same view gives the same plan, whatever happened before,
so that lost or repeated events and restarts of the operator change nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from efficientnet_operator.api.run_policy import MANAGER
from efficientnet_operator.core.draft import Draft
from efficientnet_operator.core.plan import Plan
from efficientnet_operator.core.stages.clearing import clear_older_pods, wait_for_back_off
from efficientnet_operator.core.stages.creating import create_children
from efficientnet_operator.core.stages.finishing import clean_up
from efficientnet_operator.core.stages.judging import judge_attempt, judge_end
from efficientnet_operator.core.stages.limiting import (
    limit_active_time,
    limit_pending_time,
    limit_silence,
)
from efficientnet_operator.core.stages.publishing import publish_table
from efficientnet_operator.core.stages.queueing import report_to_kueue
from efficientnet_operator.core.stages.running import watch_running
from efficientnet_operator.core.stages.scheduling import watch_scheduling
from efficientnet_operator.core.stages.suspending import suspend
from efficientnet_operator.core.view import View

Stage = Callable[[Draft], bool]
STAGES: tuple[Stage, ...] = (
    judge_end,
    suspend,
    judge_attempt,
    limit_active_time,
    clear_older_pods,
    wait_for_back_off,
    create_children,
    watch_scheduling,
    publish_table,
    watch_running,
    limit_silence,
)


def reconcile(view: View, now: datetime) -> Plan:
    """Return what to do for the job at ``now``; nothing for one that is being deleted.

    Args:
        view: the job and all that belongs to it, as observed.
        now: the time, with a zone.
    """
    if view.job.metadata.deletion_timestamp is not None:
        return Plan(waits_for="the API server to delete the job")
    if view.job.spec.run_policy.managed_by != MANAGER:
        return Plan(waits_for=f"{view.job.spec.run_policy.managed_by}, which manages the job")
    draft = Draft.begin(view, now)
    if not draft.finished:
        _begin_first_attempt(draft)
        ended_by = next((stage for stage in STAGES if stage(draft)), None)
        if not draft.finished and ended_by is not judge_attempt:
            # Last, so that the conditions say what is waited for now.
            limit_pending_time(draft)
    if draft.finished:
        clean_up(draft)
    report_to_kueue(draft)
    return draft.to_plan()


def _begin_first_attempt(draft: Draft) -> None:
    if draft.attempt:
        return
    draft.status["attempt"] = 1
    draft.status["restarts"] = 0
    draft.status["npus"] = {"total": draft.spec.npus, "allocated": 0}
    draft.status_first = True
