"""What the operator keeps of a pod: the few fields that decisions need.

A pod's JSON is 6-10 KB and most of it is never read; five thousand of them
have to fit in the cache. Parsed once, when the watch delivers the pod.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from efficientnet_operator.core.identity import (
    ATTEMPT_LABEL,
    HOST_GROUP_LABEL,
    JOB_UID_LABEL,
    NUDGE_ANNOTATION,
    PEERS_ANNOTATION,
    RANK_TABLE_ANNOTATION,
    REPLICA_INDEX_LABEL,
    TRAINER_CONTAINER,
)
from efficientnet_operator.core.metadata import find_controller, parse_metadata

KEPT_ANNOTATIONS = frozenset(
    {
        "ascend.kubectl.kubernetes.io/ascend-910-configuration",
        "atlas.kubectl.kubernetes.io/ascend-910-configuration",
        RANK_TABLE_ANNOTATION,
        PEERS_ANNOTATION,
        NUDGE_ANNOTATION,
    }
)

LOST_REASONS = frozenset(
    {
        "NodeLost",
        "NodeShutdown",
        "Terminated",
        "Shutdown",
        "NodeAffinity",
        "UnexpectedAdmissionError",
        "Preempting",
        "OutOfcpu",
        "OutOfmemory",
        "OutOfpods",
    }
)
"""Reasons of a failed pod that speak of its node, not of itself."""


@dataclass(frozen=True, slots=True)
class Termination:
    """How the trainer container ended: exit code, the kubelet's reason, its message, when."""

    exit_code: int
    reason: str
    message: str
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class PodView:
    """One pod of some job, as the cache keeps it.

    Attributes:
        job_name, job_uid, attempt, index, host_group: what its labels say; the attempt that made
            it, its replica index and which of the job's hosts it belongs to are 0 where the
            label is missing.
        phase: the pod's phase (Pending, Running, Succeeded, Failed, Unknown). Once the trainer
            has ended it is the trainer's: another container may run on for ever.
        lingering: the trainer has ended and another container still runs.
        ready: the condition Ready is True.
        started: the trainer container runs.
        unschedulable: the scheduler's words where PodScheduled is False, else "".
        unschedulable_since: since when; None where it is scheduled.
        bound_since: since when it has a node; None where it has none.
        disrupted: why the cluster took the pod, in words: the message of the condition
            DisruptionTarget, or the kubelet's; else "".
        reason: why the kubelet failed the pod as a whole, in words, where it is at fault itself.
        disruption: the same in one word, the pod's own reason (Evicted, NodeLost...) first.
        waiting: why the container does not start yet (ErrImagePull ...), else "".
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    job_name: str = ""
    job_uid: str = ""
    attempt: int = 0
    index: int = 0
    host_group: int = 0
    annotations: Mapping[str, str] = field(default_factory=dict)
    owner_uid: str = ""
    owner: str = ""
    node: str = ""
    pod_ip: str = ""
    host_ip: str = ""
    phase: str = "Pending"
    lingering: bool = False
    ready: bool = False
    started: bool = False
    deleting: bool = False
    unschedulable: str = ""
    unschedulable_since: datetime | None = None
    bound_since: datetime | None = None
    disrupted: str = ""
    disruption: str = ""
    reason: str = ""
    waiting: str = ""
    termination: Termination | None = None

    @property
    def began(self) -> bool:
        """Whether the trainer has begun to write its log."""
        return self.started or self.termination is not None

    @property
    def finished(self) -> bool:
        """Whether the trainer of the pod has ended; it never runs again."""
        return self.phase in {"Succeeded", "Failed"}


def parse_pod(pod: Mapping[str, Any]) -> PodView:
    """Return the view of a pod's JSON; missing parts take their empty values."""
    metadata = pod.get("metadata") or {}
    status = pod.get("status") or {}
    conditions = {c.get("type"): c for c in status.get("conditions") or []}
    scheduled = conditions.get("PodScheduled", {})
    unscheduled = scheduled.get("status") == "False"
    scheduled_at = parse_time(scheduled.get("lastTransitionTime"))
    controller = find_controller(pod)
    state = _state(status, "containerStatuses", TRAINER_CONTAINER)
    phase = status.get("phase", "Pending")
    ended = _termination(state.get("terminated"))
    lingering = False
    if ended and phase == "Running":
        # The kubelet tells of the last container's end a moment before the pod's own.
        lingering = any("terminated" not in s for s in _other_states(status))
        phase = "Failed" if ended.exit_code else "Succeeded"
    disruption, disrupted = _disruption(conditions, status)
    annotations = metadata.get("annotations") or {}
    labels = metadata.get("labels") or {}
    return PodView(
        **parse_metadata(pod),
        job_uid=labels.get(JOB_UID_LABEL, ""),
        attempt=to_int(labels.get(ATTEMPT_LABEL)),
        index=to_int(labels.get(REPLICA_INDEX_LABEL)),
        host_group=to_int(labels.get(HOST_GROUP_LABEL)),
        annotations={k: annotations[k] for k in annotations if k in KEPT_ANNOTATIONS},
        owner=f"{controller.get('kind')} {controller.get('name')}" if controller else "",
        node=(pod.get("spec") or {}).get("nodeName", ""),
        pod_ip=status.get("podIP", ""),
        host_ip=status.get("hostIP", ""),
        phase=phase,
        lingering=lingering,
        ready=conditions.get("Ready", {}).get("status") == "True",
        started="running" in state,
        deleting="deletionTimestamp" in metadata,
        unschedulable=scheduled.get("message", "") if unscheduled else "",
        unschedulable_since=scheduled_at if unscheduled else None,
        bound_since=scheduled_at if scheduled.get("status") == "True" else None,
        disrupted=disrupted,
        disruption=disruption,
        reason="" if disruption else _own_reason(status),
        waiting=_waiting(state) or _waiting_to_begin(status),
        termination=ended or _failed_before(status),
    )


def parse_time(text: str | None) -> datetime | None:
    """Return an RFC 3339 time, or None where there is none or it is unreadable.

    One without a zone is taken as UTC: times of both kinds cannot be compared.
    """
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def to_int(text: str | None) -> int:
    """Return the number in a label or annotation; 0 where it holds none."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 0


def _state(status: Mapping[str, Any], group: str, name: str) -> Mapping[str, Any]:
    for container in status.get(group) or []:
        if container.get("name") == name:
            state: Mapping[str, Any] = container.get("state") or {}
            return state
    return {}


def _other_states(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the states of the containers beside the trainer; the kubelet ends init's itself."""
    others = status.get("containerStatuses") or []
    return [c.get("state") or {} for c in others if c.get("name") != TRAINER_CONTAINER]


def _waiting_to_begin(status: Mapping[str, Any]) -> str:
    """Return why an init container of the user's does not start."""
    for container in status.get("initContainerStatuses") or []:
        if reason := _waiting(container.get("state") or {}):
            return f"init container {container.get('name')}: {reason}"
    return ""


def _failed_before(status: Mapping[str, Any]) -> Termination | None:
    """Return how an init container failed, where that kept the trainer from starting."""
    if status.get("phase") != "Failed":
        return None
    for container in status.get("initContainerStatuses") or []:
        ended = _termination((container.get("state") or {}).get("terminated"))
        if ended and ended.exit_code:
            words = f"init container {container.get('name')} failed"
            # Its code is not one of the trainer's, which mean something.
            message = f"{words} with exit code {ended.exit_code}: {ended.message}".rstrip(": ")
            return Termination(1, "InitContainerFailed", message, ended.finished_at)
    return None


def _waiting(state: Mapping[str, Any]) -> str:
    waiting = state.get("waiting") or {}
    reason = waiting.get("reason", "")
    if reason in {"", "ContainerCreating", "PodInitializing"}:
        return ""
    return f"{reason}: {waiting.get('message', '')}".rstrip(": ")


def _disruption(
    conditions: Mapping[str | None, Mapping[str, Any]], status: Mapping[str, Any]
) -> tuple[str, str]:
    """Return why the cluster took the pod, in one word and in many; twice "" if it did not."""
    own_reason = str(status.get("reason") or "")
    target = conditions.get("DisruptionTarget", {})
    if target.get("status") == "True":
        reason = own_reason or str(target.get("reason") or "DisruptionTarget")
        return reason, str(target.get("message") or status.get("message") or reason)
    # Without that condition the pod itself may be at fault: a kubelet also says Evicted of one
    # that outgrew its own limits, which the next attempt would do again.
    if status.get("phase") == "Failed" and own_reason in LOST_REASONS:
        return own_reason, str(status.get("message") or own_reason)
    return "", ""


def _own_reason(status: Mapping[str, Any]) -> str:
    """Return the reason and words of a failed pod: DeadlineExceeded, Evicted by its own limits."""
    if status.get("phase") != "Failed" or not status.get("reason"):
        return ""
    return f"{status['reason']}: {status.get('message') or ''}".rstrip(": ")


def _termination(terminated: Mapping[str, Any] | None) -> Termination | None:
    if not terminated:
        return None
    return Termination(
        exit_code=int(terminated.get("exitCode", 0)),
        reason=terminated.get("reason", ""),
        message=terminated.get("message", ""),
        finished_at=parse_time(terminated.get("finishedAt")),
    )
