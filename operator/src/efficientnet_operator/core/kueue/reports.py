"""What the operator tells Kueue, in the Workload's status.

Whether the pods are ready, that the job is finished, and, after an eviction,
that the quota is free again: Kueue leaves that to the job's controller, which
alone knows when the last pod is gone.  Conditions are one list of several
writers, so they are written with the resourceVersion at which they were read.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from efficientnet_operator.core.kueue.workload_view import WorkloadView
from efficientnet_operator.core.plan import Patch

READY_REASONS = frozenset({"Started", "Recovered", "WaitForRecovery"})
"""Of a PodsReady that was True at some time since the admission."""
REQUEUED_AT_ONCE = frozenset({"Preempted", "AdmissionCheck", "NodeFailures"})
"""Reasons of an eviction after which Kueue queues again without a further event."""
MESSAGE_BYTES = 1024


class Report:
    """Changes of one Workload's status while one reconciliation makes them."""

    def __init__(self, workload: WorkloadView, now: datetime):
        self._workload = workload
        self._stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        self._conditions: dict[str, Mapping[str, Any]] = dict(workload.conditions)
        self._status: dict[str, Any] = {}

    def set_pods_ready(self, ready: bool) -> None:
        """Set PodsReady; it says too whether they were ready before."""
        before = self._workload.conditions.get("PodsReady", {})
        began = self._workload.is_true("Admitted") and before.get("reason") in READY_REASONS
        if ready:
            recovered = began and before.get("reason") != "Started"
            word = "Recovered" if recovered else "Started"
            self._set("PodsReady", True, word, "all ranks have the rank table")
        else:
            word = "WaitForRecovery" if began else "WaitForStart"
            self._set("PodsReady", False, word, "not all ranks run")

    def finish(self, succeeded: bool, message: str) -> None:
        """Set Finished, by which Kueue gives the quota to others."""
        if not self._workload.is_true("Finished"):
            self._set("Finished", True, "Succeeded" if succeeded else "Failed", message)

    def release(self) -> None:
        """Give the quota of an evicted Workload back."""
        evicted = self._workload.conditions.get("Evicted", {})
        word = str(evicted.get("reason") or "Evicted")
        words = self._workload.words("Evicted")
        self._set("Requeued", word in REQUEUED_AT_ONCE, word, words)
        self._set("QuotaReserved", False, "Pending", words)
        if self._workload.is_true("Admitted"):
            self._set("Admitted", False, "NoReservation", "The workload has no reservation")
        self._status["admission"] = None

    def to_patch(self) -> Patch | None:
        """Return the patch; None where nothing changed."""
        if not self._status and self._conditions == self._workload.conditions:
            return None
        body = {
            "metadata": {"resourceVersion": self._workload.resource_version},
            "status": {**self._status, "conditions": list(self._conditions.values())},
        }
        return Patch(self._workload.resource, self._workload.name, body, "status")

    def _set(self, kind: str, status: bool, reason: str, message: str) -> None:
        old = self._conditions.get(kind, {})
        text = "True" if status else "False"
        if (old.get("status"), old.get("reason")) == (text, reason):
            return
        same = old.get("status") == text and old.get("lastTransitionTime")
        self._conditions[kind] = {
            "type": kind,
            "status": text,
            "reason": reason,
            "message": message[:MESSAGE_BYTES],
            "lastTransitionTime": same or self._stamp,
        }
