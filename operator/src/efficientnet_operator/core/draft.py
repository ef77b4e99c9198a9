"""The working copy of one reconciliation: what is known, and the plan so far.

Stages read the view through it, in terms of the current attempt, and add to
the plan. It becomes a ``Plan`` at the end; nothing outside reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from efficientnet_operator.api.spec import EfficientNetJobSpec
from efficientnet_operator.api.status import HISTORY_LIMIT
from efficientnet_operator.core.conditions import Conditions, format_time
from efficientnet_operator.core.config_maps import ConfigMapView
from efficientnet_operator.core.gang.group_view import GroupView
from efficientnet_operator.core.identity import (
    JobRef,
    config_map_name,
    pod_group_name,
    pod_name,
)
from efficientnet_operator.core.plan import Delete, Event, Patch, Plan
from efficientnet_operator.core.pod_view import PodView
from efficientnet_operator.core.progress import halt_progress
from efficientnet_operator.core.view import View

# What a reader has to act on, as opposed to what merely has not happened yet.
QUIET_REASONS = frozenset(
    {
        "Creating",
        "Pending",
        "WaitingForAllocation",
        "WaitingForGang",
        "WaitingForPods",
        "WaitingForRanks",
    }
)
STATUS_INTERVAL_S = 0.5
"""A status in which only counts and words are new is stored no more often than so. While the
thousand pods of a gang change one by one, each turn has other counts than the one before."""
TOLD_BY_STAGES = frozenset({"GivenBack"})
"""Reasons of changes for which a stage has an event of its own, with more words."""


@dataclass
class Draft:
    """One job under reconciliation; stages change everything but ``view`` and ``now``."""

    view: View
    now: datetime
    job: JobRef
    spec: EfficientNetJobSpec
    status: dict[str, Any]
    conditions: Conditions
    status_first: bool = False
    deletes: list[Delete] = field(default_factory=list)
    creates: list[dict[str, Any]] = field(default_factory=list)
    pods: list[dict[str, Any]] = field(default_factory=list)
    patches: list[Patch] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    reports: list[Patch] = field(default_factory=list)
    requeue_s: float | None = None
    poll_progress: bool = False
    ask_all: bool = False
    delete_job: bool = False
    waits_for: str = ""

    @classmethod
    def begin(cls, view: View, now: datetime) -> Draft:
        """Return the draft of a job as it was observed."""
        metadata = view.job.metadata
        status = {k: v for k, v in view.status.items() if k != "conditions"}
        return cls(
            view=view,
            now=now,
            job=JobRef(metadata.namespace, metadata.name, metadata.uid),
            spec=view.job.spec,
            status=status,
            conditions=Conditions.parse(
                view.status.get("conditions") or [], metadata.generation, now
            ),
        )

    @property
    def attempt(self) -> int:
        """The current attempt, from 1; 0 before the first."""
        return int(self.status.get("attempt") or 0)

    @property
    def finished(self) -> bool:
        """Whether the job reached its end, from which there is no way back."""
        return self.conditions.is_true("Succeeded") or self.conditions.is_true("Failed")

    @cached_property
    def own_pods(self) -> list[PodView]:
        """All pods that this job's UID controls, of any attempt."""
        return [p for p in self.view.pods if p.owner_uid == self.job.uid]

    @property
    def attempt_pods(self) -> list[PodView]:
        """The pods of the current attempt, by index."""
        return self._pods_by_attempt.get(self.attempt, [])

    @cached_property
    def _pods_by_attempt(self) -> dict[int, list[PodView]]:
        pods: dict[int, list[PodView]] = {}
        for pod in sorted(self.own_pods, key=lambda p: p.index):
            pods.setdefault(pod.attempt, []).append(pod)
        return pods

    @property
    def predecessors(self) -> list[PodView]:
        """Pods of a deleted job of the same name, which the garbage collector removes."""
        return [
            p for p in self.view.pods if p.owner_uid and p.owner_uid == p.job_uid != self.job.uid
        ]

    @property
    def missing(self) -> list[int]:
        """Replica indices of the current attempt that have no pod."""
        present = {p.index for p in self.attempt_pods}
        return [i for i in range(self.spec.replicas) if i not in present]

    @property
    def config_map(self) -> ConfigMapView | None:
        """The current attempt's ConfigMap, if it exists and is ours."""
        found = self.view.config_maps.get(config_map_name(self.job, self.attempt))
        return found if found and found.owner_uid == self.job.uid else None

    @property
    def group(self) -> GroupView | None:
        """The current attempt's PodGroup, if it exists."""
        name = pod_group_name(self.job, self.attempt)
        return next((g for g in self.view.groups if g.name == name), None)

    @cached_property
    def total_steps(self) -> int:
        """Updates of the whole training."""
        return self.spec.total_steps

    def name_of(self, index: int) -> str:
        """Return the name of one pod of the current attempt."""
        return pod_name(self.job, self.attempt, index)

    def wait(self, what: str, requeue_s: float | None = None) -> None:
        """Note what has to happen next, and when to look even if nothing is heard."""
        self.waits_for = what
        if requeue_s is not None:
            self.look_again(requeue_s)

    def look_again(self, after_s: float) -> None:
        """Have the job looked at after so many seconds, or earlier if that was said before."""
        self.requeue_s = after_s if self.requeue_s is None else min(self.requeue_s, after_s)

    def delete(self, pod: PodView, grace_s: int | None = None) -> None:
        """Delete a pod, unless it is on its way out already."""
        if not pod.deleting:
            self.deletes.append(Delete(pod.name, pod.uid, grace_s))

    def delete_group(self, group: GroupView) -> None:
        """Delete a PodGroup, unless it is on its way out already."""
        if not group.deleting:
            self.deletes.append(Delete(group.name, group.uid, resource=group.resource))

    def halt_progress(self) -> None:
        """Keep where training was when its gang stops."""
        if "progress" in self.status:
            self.status["progress"] = halt_progress(self.status["progress"])

    def record_attempt(self, reason: str, message: str, charged: bool) -> None:
        """Add the current attempt to the history of those that ended."""
        history = list(self.status.get("history") or [])
        record = {
            "attempt": self.attempt,
            "reason": reason,
            "message": message[:1024],
            "charged": charged,
            "step": (self.status.get("progress") or {}).get("step"),
            "startTime": self.status.get("attemptStartTime"),
            "completionTime": format_time(self.now),
        }
        history.append({k: v for k, v in record.items() if v is not None})
        self.status["history"] = history[-HISTORY_LIMIT:]

    def to_plan(self) -> Plan:
        """Return the plan; its status is None where nothing changes and nothing is done."""
        self.status["conditions"] = self.conditions.to_list()
        self.status["phase"] = self.conditions.phase()
        self.status["observedGeneration"] = self.conditions.generation
        # What makes or deletes anything is stored before it is done, changed or not: of two
        # operators the one with the older view is then refused, and does nothing.
        acts = bool(self.deletes or self.creates or self.pods)
        stores = acts or self.status != dict(self.view.status)
        if stores and not acts and self._may_wait():
            stores = False
            self.look_again(STATUS_INTERVAL_S - self.view.status_age_s)
        return Plan(
            status=self.status if stores else None,
            status_first=self.status_first or acts,
            deletes=tuple(self.deletes),
            creates=tuple(self.creates),
            pods=tuple(self.pods),
            patches=tuple(self.patches),
            events=(*self.events, *self._condition_events()),
            reports=tuple(self.reports),
            requeue_s=self.requeue_s,
            poll_progress=self.poll_progress,
            ask_all=self.ask_all,
            delete_job=self.delete_job,
            waits_for=self.waits_for,
        )

    def _may_wait(self) -> bool:
        """Tell whether the status says nothing that is new to a program, and is young."""
        transition = self.status_first or self.conditions.changed or self.events
        # A report is handed out once: what it says would be lost until the next poll.
        reported = self.view.progress is not None or self.view.survey is not None
        young = self.view.status_age_s < STATUS_INTERVAL_S
        return young and not (transition or reported or self.patches)

    def _condition_events(self) -> list[Event]:
        events = []
        for kind, status, reason, message in self.conditions.changed:
            # A condition cleared in passing has no message: what cleared it tells its own event.
            if reason in QUIET_REASONS | TOLD_BY_STAGES or not message:
                continue
            bad = (status and kind in {"Failed", "Restarting"}) or (
                not status and kind in {"Created", "Scheduled", "Allocated"}
            )
            events.append(Event("Warning" if bad else "Normal", reason, message))
        return events
