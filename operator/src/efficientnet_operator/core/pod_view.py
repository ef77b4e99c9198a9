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
    JOB_NAME_LABEL,
    JOB_UID_LABEL,
    NUDGE_ANNOTATION,
    RANK_TABLE_ANNOTATION,
    REPLICA_INDEX_LABEL,
    TRAINER_CONTAINER,
)

KEPT_ANNOTATIONS = frozenset(
    {
        "ascend.kubectl.kubernetes.io/ascend-910-configuration",
        "atlas.kubectl.kubernetes.io/ascend-910-configuration",
        RANK_TABLE_ANNOTATION,
        NUDGE_ANNOTATION,
    }
)


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
        phase: the pod's phase (Pending, Running, Succeeded, Failed, Unknown).
        ready: the condition Ready is True.
        started: the trainer container runs.
        unschedulable: the scheduler's words where PodScheduled is False, else "".
        unschedulable_since: since when; None where it is scheduled.
        bound_since: since when it has a node; None where it has none.
        disrupted: why the cluster took the pod, in words: the message of the condition
            DisruptionTarget, or the kubelet's; else "".
        disruption: the same in one word, the pod's own reason (Evicted, NodeLost...) first.
        waiting: why the container does not start yet (ErrImagePull ...), else "".
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    owner_uid: str = ""
    owner: str = ""
    node: str = ""
    pod_ip: str = ""
    host_ip: str = ""
    phase: str = "Pending"
    ready: bool = False
    started: bool = False
    deleting: bool = False
    unschedulable: str = ""
    unschedulable_since: datetime | None = None
    bound_since: datetime | None = None
    disrupted: str = ""
    disruption: str = ""
    waiting: str = ""
    termination: Termination | None = None

    @property
    def job_name(self) -> str:
        """Name of the job, from the label."""
        return self.labels.get(JOB_NAME_LABEL, "")

    @property
    def job_uid(self) -> str:
        """UID of the job, from the label."""
        return self.labels.get(JOB_UID_LABEL, "")

    @property
    def attempt(self) -> int:
        """The attempt that made the pod; 0 where the label is missing."""
        return to_int(self.labels.get(ATTEMPT_LABEL))

    @property
    def index(self) -> int:
        """Replica index; 0 where the label is missing."""
        return to_int(self.labels.get(REPLICA_INDEX_LABEL))

    @property
    def host_group(self) -> int:
        """Which of the job's hosts the pod belongs to."""
        return to_int(self.labels.get(HOST_GROUP_LABEL))

    @property
    def finished(self) -> bool:
        """Whether no container of the pod will run again."""
        return self.phase in {"Succeeded", "Failed"}


def parse_pod(pod: Mapping[str, Any]) -> PodView:
    """Return the view of a pod's JSON; missing parts take their empty values."""
    metadata = pod.get("metadata") or {}
    status = pod.get("status") or {}
    conditions = {c.get("type"): c for c in status.get("conditions") or []}
    scheduled = conditions.get("PodScheduled", {})
    unscheduled = scheduled.get("status") == "False"
    scheduled_at = parse_time(scheduled.get("lastTransitionTime"))
    owners: list[Mapping[str, Any]] = metadata.get("ownerReferences") or []
    controller = next((o for o in owners if o.get("controller")), {})
    state = _trainer_state(status)
    disruption, disrupted = _disruption(conditions, status)
    annotations = metadata.get("annotations") or {}
    return PodView(
        namespace=metadata.get("namespace", ""),
        name=metadata.get("name", ""),
        uid=metadata.get("uid", ""),
        resource_version=metadata.get("resourceVersion", ""),
        labels=metadata.get("labels") or {},
        annotations={k: annotations[k] for k in annotations if k in KEPT_ANNOTATIONS},
        owner_uid=controller.get("uid", ""),
        owner=f"{controller.get('kind')} {controller.get('name')}" if controller else "",
        node=(pod.get("spec") or {}).get("nodeName", ""),
        pod_ip=status.get("podIP", ""),
        host_ip=status.get("hostIP", ""),
        phase=status.get("phase", "Pending"),
        ready=conditions.get("Ready", {}).get("status") == "True",
        started="running" in state,
        deleting="deletionTimestamp" in metadata,
        unschedulable=scheduled.get("message", "") if unscheduled else "",
        unschedulable_since=scheduled_at if unscheduled else None,
        bound_since=scheduled_at if scheduled.get("status") == "True" else None,
        disrupted=disrupted,
        disruption=disruption,
        waiting=_waiting(state),
        termination=_termination(state.get("terminated")),
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


def _trainer_state(status: Mapping[str, Any]) -> Mapping[str, Any]:
    for container in status.get("containerStatuses") or []:
        if container.get("name") == TRAINER_CONTAINER:
            state: Mapping[str, Any] = container.get("state") or {}
            return state
    return {}


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
        return reason, str(target.get("message") or reason)
    # Only what the kubelet or a controller set: a container's own failure has no pod reason.
    if status.get("phase") == "Failed" and own_reason:
        return own_reason, str(status.get("message") or own_reason)
    return "", ""


def _termination(terminated: Mapping[str, Any] | None) -> Termination | None:
    if not terminated:
        return None
    return Termination(
        exit_code=int(terminated.get("exitCode", 0)),
        reason=terminated.get("reason", ""),
        message=terminated.get("message", ""),
        finished_at=parse_time(terminated.get("finishedAt")),
    )
