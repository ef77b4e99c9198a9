"""Give the pods back while the job is suspended; attempt and progress are kept.

By its user, or by Kueue, which has not admitted it or evicts it.
"""

from __future__ import annotations

from efficientnet_operator.core.conditions import format_time
from efficientnet_operator.core.config_maps import build_data, build_patch
from efficientnet_operator.core.draft import Draft
from efficientnet_operator.core.plan import Patch
from efficientnet_operator.core.rank_table import INITIALIZING, encode
from efficientnet_operator.core.resources import CONFIG_MAP
from efficientnet_operator.core.stages.queueing import Hold, hold_for_kueue, leave_queue

BY_USER = Hold("Suspended", "runPolicy.suspend is true", "runPolicy.suspend to become false")


def suspend(draft: Draft) -> bool:
    """Stop everything while the job is held; stay out of the way otherwise."""
    if draft.spec.run_policy.suspend:
        leave_queue(draft)
        _give_back(draft, BY_USER)
        return True
    hold = hold_for_kueue(draft)
    if hold:
        _give_back(draft, hold)
        return True
    workload = draft.view.kueue and draft.view.kueue.workload
    if workload:
        words = f"admitted by ClusterQueue {workload.cluster_queue}"
        draft.conditions.clear("Suspended", "Admitted", words)
    else:
        draft.conditions.clear("Suspended", "Resumed", "runPolicy.suspend is false")
    draft.status.setdefault("startTime", format_time(draft.now))
    return False


def _give_back(draft: Draft, hold: Hold) -> None:
    draft.conditions.set("Suspended", True, hold.reason, hold.message)
    for kind in ("Created", "Scheduled", "Allocated", "Running"):
        draft.conditions.withdraw(kind, "Suspended")
    draft.conditions.clear("Restarting", "Suspended")
    # A running trainer needs its usual grace to save a checkpoint.
    for pod in draft.own_pods:
        draft.delete(pod)
    # A scheduler counts a group that was placed once as done; the resumed gang gets its own.
    for group in draft.view.groups:
        draft.delete_group(group)
    _withdraw_table(draft)
    draft.halt_progress()
    # Deadlines do not run while the job is suspended; they start again with it.
    draft.status.pop("startTime", None)
    draft.status.pop("attemptStartTime", None)
    draft.status["npus"] = {"total": draft.spec.npus, "allocated": 0}
    draft.wait(hold.waits_for)


def _withdraw_table(draft: Draft) -> None:
    """Take the table back, so that the pods of the resumed attempt wait for their own."""
    draft.status.pop("rankTable", None)
    config_map = draft.config_map
    if config_map and config_map.hccl != INITIALIZING:
        patch = build_patch(config_map, build_data(INITIALIZING, encode([])))
        draft.patches.append(Patch(CONFIG_MAP, config_map.name, patch))
