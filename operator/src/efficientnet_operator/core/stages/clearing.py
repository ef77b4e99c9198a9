"""Wait until what came before is gone: older attempts, a predecessor, the back-off delay."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from efficientnet_operator.core.draft import Draft
from efficientnet_operator.core.failure import PENDING_DEADLINE_EXCEEDED, siblings_hang_after
from efficientnet_operator.core.identity import pod_group_name
from efficientnet_operator.core.plan import Delete
from efficientnet_operator.core.pod_view import PodView, parse_time
from efficientnet_operator.core.resources import CONFIG_MAP
from efficientnet_operator.core.stages.ending import FAILURE_GRACE_S

FIRST_DELAY_S = 10.0
LAST_DELAY_S = 300.0
STEADY = timedelta(minutes=10)
"""An attempt that ran so long was no crash loop: the delay starts from 0 again."""


def clear_older_pods(draft: Draft) -> bool:
    """Delete what is left of older attempts; wait for it and for a predecessor's pods.

    A predecessor's pods are waited for wherever they are: the new ones have the same names.
    """
    last = (draft.status.get("history") or [{}])[-1]
    hang = siblings_hang_after(last.get("reason", ""), bool(last.get("charged")))
    grace = FAILURE_GRACE_S if hang else None
    older = [p for p in draft.own_pods if p.attempt < draft.attempt]
    for pod in older:
        draft.delete(pod, grace)
    older = [p for p in older if _holds_up(draft, p)]
    leftovers = sorted(p.name for p in (*older, *draft.predecessors))
    if not leftovers:
        _forget_older_attempts(draft)
        return False
    whose = "an older attempt" if older else "a deleted job of the same name"
    message = f"{len(leftovers)} pods of {whose} still exist: {leftovers[0]}"
    draft.conditions.set("Created", False, "WaitingForPods", message)
    draft.wait(f"{len(leftovers)} pods of {whose} to go", 5)
    return True


def _holds_up(draft: Draft, pod: PodView) -> bool:
    """Tell whether a pod of an older attempt has to go before this attempt may begin.

    Nobody is there to say that a pod on a lost node has ended. If it has not, the trainer's
    ``.owner`` file keeps it from saving. It goes when the node is back or Kubernetes is told
    that it never will be; by then this attempt may run, and is not stopped for it.
    """
    if not pod.deleting:
        return True
    loss = draft.view.lost_nodes.get(pod.node)
    if loss is not None and loss.left_s > 0:
        draft.look_again(loss.left_s)
    return (loss is None or loss.left_s > 0) and not draft.conditions.is_true("Created")


def _forget_older_attempts(draft: Draft) -> None:
    """Delete what older attempts leave behind; the last one's table stays, to look into.

    A job may begin any number of attempts, and each leaves up to 1 MiB.
    """
    for config_map in draft.view.config_maps.values():
        if config_map.owner_uid == draft.job.uid and config_map.attempt < draft.attempt - 1:
            draft.deletes.append(Delete(config_map.name, config_map.uid, resource=CONFIG_MAP))
    for group in draft.view.groups:
        if group.name != pod_group_name(draft.job, draft.attempt):
            draft.delete_group(group)


def wait_for_back_off(draft: Draft) -> bool:
    """Wait between attempts that keep ending soon: 0 s, then 10 s, doubling up to 300 s."""
    restarted = draft.conditions.since("Restarting")
    if restarted is None or not draft.conditions.is_true("Restarting"):
        return False
    delay = back_off_s(draft.status.get("history") or [], spread=_spread(draft))
    left = (restarted + timedelta(seconds=delay) - draft.now).total_seconds()
    # More is left than there was: the clock was put back, and nothing tells by how much.
    if not 0 < left <= delay:
        return False
    draft.wait(f"the back-off delay of {delay:g} s", left)
    _tell_delay(draft, f"; it starts {delay:g} s later, because earlier ones ended soon, too")
    return True


def _tell_delay(draft: Draft, words: str) -> None:
    condition = draft.conditions.items["Restarting"]
    message = condition.get("message", "")
    if not message.endswith(words):
        draft.conditions.set("Restarting", True, condition.get("reason", ""), message + words)


def back_off_s(history: Sequence[dict[str, Any]], spread: float = 0.0) -> float:
    """Return the delay before the next attempt, from the short-lived attempts at the end.

    Args:
        history: status.history, oldest first.
        spread: 0 to 1, adds up to as much again where gangs waited for each other, so that
            they do not all come back at the same time.
    """
    short = 0
    for record in reversed(history):
        if _lasted(record) >= STEADY and record.get("reason") != PENDING_DEADLINE_EXCEEDED:
            break
        short += 1
    if short and history[-1].get("reason") == PENDING_DEADLINE_EXCEEDED:
        return min(LAST_DELAY_S, FIRST_DELAY_S * 2.0 ** (short - 1)) * (1 + spread)
    return 0.0 if short <= 1 else min(LAST_DELAY_S, FIRST_DELAY_S * 2.0 ** (short - 2))


def _spread(draft: Draft) -> float:
    """Return a number of the job's own, 0 to 1: every turn has to find the same delay."""
    return zlib.crc32(f"{draft.job.uid} {draft.attempt}".encode()) / 2**32


def _lasted(record: dict[str, Any]) -> timedelta:
    start: datetime | None = parse_time(record.get("startTime"))
    end: datetime | None = parse_time(record.get("completionTime"))
    return end - start if start and end else timedelta(0)
