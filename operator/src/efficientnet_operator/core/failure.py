"""Say what an attempt died of: the first failure, and whether it is charged.

One rank fails for a reason; its siblings then fail because it did, or hang in
a collective until they are stopped. So a few seconds are allowed for the
reports to come in, and then the most telling one is the diagnosis.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from efficientnet_operator.core.pod_view import LOST_REASONS, PodView
from efficientnet_operator.core.progress import is_count

SIBLING_WAIT = timedelta(seconds=5)
"""How long after the first failure the siblings' reports are waited for."""

EXIT_BAD_CONFIGURATION = 2
EXIT_BAD_DATA = 3
EXIT_TRANSIENT = 75
EXIT_STOPPED = 143
PERMANENT_CODES = frozenset({EXIT_BAD_CONFIGURATION, EXIT_BAD_DATA})

REASONS = {
    EXIT_BAD_CONFIGURATION: "BadConfiguration",
    EXIT_BAD_DATA: "BadData",
    EXIT_TRANSIENT: "Transient",
    EXIT_STOPPED: "Stopped",
}
NODE_LOST = "NodeLost"
CHIP_UNHEALTHY = "ChipUnhealthy"
HANGING = frozenset({NODE_LOST, CHIP_UNHEALTHY})
"""Disruptions after which the other ranks hang in a collective, so that no stop can be agreed
and no checkpoint be saved: their usual grace, ten minutes on NPUs, would only be waited out."""
KUBELET_REASONS = frozenset({"OOMKilled", "InitContainerFailed"})
DISRUPTIONS = (
    LOST_REASONS
    | HANGING
    | {
        "Disrupted",
        "DisruptionTarget",
        "PodDeleted",
        "DeletionByPodGC",
        "DeletionByTaintManager",
        "EvictionByEvictionAPI",
        "Evicted",
        "PreemptionByScheduler",
        "TerminationByKubelet",
    }
)
PENDING_DEADLINE_EXCEEDED = "PendingDeadlineExceeded"
KNOWN_REASONS = frozenset(
    {*REASONS.values(), *KUBELET_REASONS, *DISRUPTIONS}
    | {"Error", "NoProgress", PENDING_DEADLINE_EXCEEDED, "PodFailed"}
)
"""Reasons that a metric may carry as a label; a trainer may write any other."""
_LAST = datetime.max.replace(tzinfo=UTC)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Outcome(Enum):
    """What an attempt's end means for the job."""

    DISRUPTED = "restarted, uncharged"
    FAILED = "restarted, charged"
    FORGIVEN = "restarted, uncharged by a rule of the job"
    PERMANENT = "not restarted"
    UNDECIDED = "reports are still coming in"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of an attempt and the failure that explains it (as status.failure).

    Attributes:
        rule: names the rule of the job that decided, if one did.
        siblings_hang: the other ranks hang in a collective and cannot save, whatever it is
            that the outcome makes of the failure.
    """

    outcome: Outcome
    failure: dict[str, Any]
    rule: str = ""
    siblings_hang: bool = True


def parse_report(message: str) -> dict[str, Any]:
    """Return the trainer's termination message as a dict; {} for anything else.

    A container can write what it likes: values that the status has no place for
    are left out, because the API server would refuse the whole status for one.
    """
    try:
        report = json.loads(message)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(report, dict):
        return {}
    wrong = {
        *(k for k in ("rank", "step") if not is_count(report.get(k))),
        *(k for k in ("reason", "message") if not isinstance(report.get(k), str)),
    }
    return {k: v for k, v in report.items() if k not in wrong}


def judge(
    pods: Sequence[PodView], missing: Sequence[str], attempt: int, now: datetime
) -> Verdict | None:
    """Return the verdict over an attempt, or None while nothing ended it.

    Args:
        pods: the pods of the attempt.
        missing: names of pods that were created and are no longer there.
        attempt: which attempt.
        now: the time, for the siblings' wait.
    """
    disruption = find_disruption(pods, missing, attempt)
    if disruption is not None:
        # The pod is asked to stop before it is taken, so all ranks agree to, and save.
        return Verdict(Outcome.DISRUPTED, disruption, siblings_hang=False)
    failed = [p for p in pods if p.phase == "Failed"]
    if not failed:
        return None
    first = min(failed, key=_telling)
    failure = describe_failure(first, attempt)
    if _exit_code(first) in PERMANENT_CODES:
        return Verdict(Outcome.PERMANENT, failure)
    failure["message"] += _name_unstarted(pods)
    # Where no failure has a time (the container's end was lost), there is nothing to wait from.
    times = [p.termination.finished_at for p in failed if p.termination]
    earliest = min((t for t in times if t), default=_LONG_AGO)
    # A node whose clock is far ahead must not hold up the restart.
    if -SIBLING_WAIT <= now - earliest < SIBLING_WAIT and not all(p.finished for p in pods):
        return Verdict(Outcome.UNDECIDED, failure)
    return Verdict(Outcome.FAILED, failure)


def find_disruption(
    pods: Sequence[PodView], missing: Sequence[str], attempt: int
) -> dict[str, Any] | None:
    """Return the failure record of a pod that was taken away, or None.

    A permanent code outranks it: the bad record is the diagnosis even where a
    pod was deleted after it was found.
    """
    if any(_exit_code(p) in PERMANENT_CODES for p in pods if p.phase == "Failed"):
        return None
    for pod in sorted(pods, key=lambda p: p.index):
        if pod.disrupted and pod.phase == "Failed":
            return {**describe_failure(pod, attempt), "reason": pod.disruption or "Disrupted"}
        if pod.disrupted or pod.deleting:
            reason = pod.disruption or ("Disrupted" if pod.disrupted else "PodDeleted")
            message = pod.disrupted or f"pod {pod.name} was deleted"
            return {**_place(pod, attempt), "reason": reason, "message": message}
    if missing:
        message = f"pod {missing[0]} is gone"
        return {
            "pod": missing[0],
            "attempt": attempt,
            "reason": "PodDeleted",
            "message": message,
        }
    return None


def siblings_hang_after(reason: str, charged: bool) -> bool:
    """Tell from the record of an attempt what its verdict said of the siblings.

    For what could not be deleted when it was judged. Of a reason that nobody here knows only
    the charge tells whether it was a failure or a disruption.
    """
    if reason in DISRUPTIONS or reason == PENDING_DEADLINE_EXCEEDED:
        return reason in HANGING
    return charged or reason in KNOWN_REASONS


def describe_failure(pod: PodView, attempt: int) -> dict[str, Any]:
    """Return status.failure for one failed pod, from its report or from what the kubelet says."""
    failure = _place(pod, attempt)
    termination = pod.termination
    if termination is None:
        message = pod.disrupted or pod.reason or "the kubelet gives no reason"
        return {**failure, "reason": "PodFailed", "message": f"pod {pod.name} failed: {message}"}
    report = parse_report(termination.message)
    if "rank" in report:
        failure["rank"] = report["rank"]
    code = termination.exit_code
    # These say more than an exit code does.
    kubelet = termination.reason if termination.reason in KUBELET_REASONS else ""
    failure["exitCode"] = code
    failure["reason"] = kubelet or report.get("reason", "")[:64] or REASONS.get(code) or "Error"
    message = report.get("message") or termination.message or f"exit code {code}"
    failure["message"] = message[:4096]
    return failure


def _name_unstarted(pods: Sequence[PodView]) -> str:
    """Return the end of a message where ranks may have failed because they waited in vain."""
    unstarted = [p for p in pods if not p.began and not p.finished]
    if not unstarted:
        return ""
    first = unstarted[0]
    why = f" ({first.waiting})" if first.waiting else ""
    return f"; {len(unstarted)} of {len(pods)} pods had not started, such as {first.name}{why}"


def _place(pod: PodView, attempt: int) -> dict[str, Any]:
    place: dict[str, Any] = {"pod": pod.name, "attempt": attempt}
    if pod.node:
        place["node"] = pod.node
    return place


def _telling(pod: PodView) -> tuple[bool, datetime, int]:
    """Order failures: a permanent code first, then the earliest, then the lowest rank."""
    permanent = _exit_code(pod) in PERMANENT_CODES
    finished = pod.termination.finished_at if pod.termination else None
    report: Mapping[str, Any] = parse_report(pod.termination.message) if pod.termination else {}
    return (not permanent, finished or _LAST, report.get("rank", pod.index))


def _exit_code(pod: PodView) -> int | None:
    return pod.termination.exit_code if pod.termination else None
