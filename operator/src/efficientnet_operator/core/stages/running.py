"""Watch the ranks come up and train: Running, second nudges, progress."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from efficientnet_operator.core.allocations import name_some
from efficientnet_operator.core.draft import Draft
from efficientnet_operator.core.identity import NUDGE_ANNOTATION, RANK_TABLE_ANNOTATION
from efficientnet_operator.core.plan import Patch
from efficientnet_operator.core.pod_view import PodView, parse_time, to_int
from efficientnet_operator.core.progress import build_progress
from efficientnet_operator.core.resources import POD

NUDGES = (timedelta(seconds=1), timedelta(seconds=4))
"""When a pod that runs but is not ready is nudged again, counted from the last publication.

ConfigMap and pod reach a kubelet by separate watches; a nudge that wins the
race refreshes the old file, which would then stay for a minute.
"""


def watch_running(draft: Draft) -> bool:
    """Set Running once every rank has the table; then follow rank 0's progress."""
    pods = draft.attempt_pods
    late = [p for p in pods if not p.ready and not p.finished]
    if late and not draft.conditions.is_true("Running"):
        _report_late(draft, pods, late)
        return True
    draft.conditions.set("Running", True, "AllRanksReady", f"{draft.spec.npus} ranks")
    draft.conditions.clear("Restarting", "Restarted", f"attempt {draft.attempt} is running")
    if draft.view.progress is not None:
        _follow(draft, draft.view.progress.entry)
    draft.poll_progress = True
    draft.wait("the ranks to finish")
    return False


def _follow(draft: Draft, entry: Mapping[str, Any]) -> None:
    """Take over new figures; the same ones at a later time are no change worth a write."""
    old = draft.status.get("progress") or {}
    new = build_progress(entry, draft.total_steps, draft.now)
    if new != {**old, "lastUpdated": new["lastUpdated"]}:
        draft.status["progress"] = new


def _report_late(draft: Draft, pods: list[PodView], late: list[PodView]) -> None:
    blocked = [p for p in late if p.waiting]
    unstarted = [p for p in late if not p.began]
    message = f"{len(pods) - len(late)}/{len(pods)} pods ready; waiting for "
    message += name_some([p.name for p in late])
    if blocked:
        message += f" ({blocked[0].name}: {blocked[0].waiting})"
    elif unstarted:
        message += f" ({unstarted[0].name} has no running container yet)"
    reason = "ContainerWaiting" if blocked else "WaitingForRanks"
    draft.conditions.set("Running", False, reason, message)
    draft.wait(f"{name_some([p.name for p in late])} to have the rank table")
    _nudge_again(draft, late)


def _nudge_again(draft: Draft, late: list[PodView]) -> None:
    published = parse_time((draft.status.get("rankTable") or {}).get("completedAt"))
    if published is None:
        return
    age = draft.now - published
    if age < timedelta(0):  # the clock was put back: one nudge too many does no harm
        age = NUDGES[-1]
    due = sum(age >= after for after in NUDGES)
    if due < len(NUDGES):
        left = (NUDGES[due] - age).total_seconds()
        draft.wait(draft.waits_for, max(left, 0.05))
    for pod in late:
        had = to_int(pod.annotations.get(NUDGE_ANNOTATION))
        if pod.started and RANK_TABLE_ANNOTATION in pod.annotations and had < due:
            body = {"metadata": {"annotations": {NUDGE_ANNOTATION: str(due)}}}
            draft.patches.append(Patch(POD, pod.name, body))
