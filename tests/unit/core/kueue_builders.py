"""A cluster that works with Kueue, for the tests of the core: its Workload and what Kueue says."""

from __future__ import annotations

from dataclasses import replace

from core_builders import Cluster, a_job
from efficientnet_operator.core.kueue.workload_view import Flavor, Queueing, parse_workload
from efficientnet_operator.core.resources import WORKLOADS

V1BETA2, V1BETA1 = WORKLOADS
NAME = "efficientnetjob-b0"
QUEUE = {"labels": {"kueue.x-k8s.io/queue-name": "team-a"}}
NPU = "huawei.com/Ascend910"
FLAVORS = {
    "ascend": Flavor({"pool": "ascend"}, ({"key": "ascend", "operator": "Exists"},)),
    "plain": Flavor({"zone": "z1"}),
}


class Queued(Cluster):
    """A cluster whose operator works with Kueue; ``workload`` is the Workload's JSON."""

    kueue = True
    flavors = FLAVORS

    @property
    def workload(self):
        return self.groups.get(NAME)

    def view(self):
        view = super().view()
        groups = tuple(g for g in view.groups if g.name != NAME)
        known = self.workload and parse_workload(V1BETA2, self.workload)
        queueing = (
            Queueing(known, self.flavors, "" if self.flavors else "403") if self.kueue else None
        )
        return replace(view, groups=groups, kueue=queueing)

    def execute(self, plan):
        super().execute(plan)
        for patch in plan.reports:
            assert patch.subresource == "status"
            self.workload.setdefault("status", {}).update(patch.body["status"])

    def say(self, kind, status=True, reason="Said", message="", **more):
        """Let Kueue set a condition; ``more`` goes beside it in the status."""
        stored = self.workload.setdefault("status", {})
        others = [c for c in stored.get("conditions", []) if c["type"] != kind]
        moment = "2026-01-01T12:00:00Z"
        told = {"type": kind, "status": str(status), "reason": reason, "message": message,
                "lastTransitionTime": moment}  # fmt: skip
        stored |= {"conditions": [*others, told], **more}

    def admit(self):
        flavors = {NPU: "ascend", "cpu": "plain"}
        assignments = [{"name": "main", "flavors": flavors, "count": 4}]
        admission = {"clusterQueue": "all", "podSetAssignments": assignments}
        self.say("QuotaReserved", admission=admission)
        self.say("Evicted", False)
        self.say("Admitted")

    def evict(self, reason="Preempted", message="preempted by another"):
        self.say("Evicted", True, reason, message)

    def told(self, kind):
        """Return (status, reason) of a condition on the Workload."""
        conditions = self.workload.get("status", {}).get("conditions", [])
        return next(((c["status"], c["reason"]) for c in conditions if c["type"] == kind), None)


def a_queued_job(**spec):
    spec = {"scheduling": {"npusPerHost": 2}, **spec}
    return Queued(a_job(4, metadata=QUEUE, **spec))


def a_running_queued_job(**spec):
    cluster = a_queued_job(**spec)
    cluster.settle()
    cluster.admit()
    cluster.run()
    return cluster
