"""Builders of jobs, pods and views for the tests of the core, and a cluster that obeys plans.

``Cluster`` is the API server of these tests: it stores what a plan says and
changes nothing else, so that a scenario is a list of what happens to pods.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from efficientnet_operator.api.parsing import parse_job
from efficientnet_operator.api.status import EfficientNetJobStatus
from efficientnet_operator.core.allocations import Allocation, Device
from efficientnet_operator.core.config_maps import parse_config_map
from efficientnet_operator.core.gang.group_view import parse_group
from efficientnet_operator.core.identity import JobRef, pod_name
from efficientnet_operator.core.plan import Plan
from efficientnet_operator.core.pod_view import PodView, Termination, parse_pod
from efficientnet_operator.core.progress import RankReport
from efficientnet_operator.core.reconcile import reconcile
from efficientnet_operator.core.resources import CONFIG_MAP, POD, resource_of
from efficientnet_operator.core.view import View

T0 = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
UID = "6f1c6b1e-2f6e-4f0c-9a51-3d1f0c2b7a10"
JOB = JobRef("default", "b0", UID)
DEVICES = "ascend.kubectl.kubernetes.io/ascend-910-configuration"
OLD_DEVICES = "atlas.kubectl.kubernetes.io/ascend-910-configuration"


def a_job(npus=4, *, metadata=None, status=None, **spec):
    """Return a job's JSON as the API server stores it; ``spec`` in camelCase."""
    return {
        "metadata": {
            "name": JOB.name,
            "namespace": JOB.namespace,
            "uid": UID,
            "generation": 1,
            "resourceVersion": "1",
            **(metadata or {}),
        },
        "spec": {
            "npus": npus,
            "image": "trainer:1",
            "dataset": {"path": "/data", "numTrainImages": 1433},
            "output": {"path": "/out"},
            "training": {"trainSteps": 300},
            **spec,
        },
        "status": status or {},
    }


def a_spec(npus=4, **spec):
    """Return the parsed spec of ``a_job``."""
    return parse_job(a_job(npus, **spec)).spec


def a_pod(index=0, attempt=1, *, job=JOB, owner_uid=None, **fields):
    """Return one trainer pod as the cache keeps it, Pending unless told otherwise."""
    name = pod_name(job, attempt, index)
    return PodView(
        namespace=job.namespace,
        name=name,
        uid=f"uid-of-{name}",
        resource_version="1",
        job_name=job.name,
        job_uid=job.uid,
        attempt=attempt,
        index=index,
        owner_uid=job.uid if owner_uid is None else owner_uid,
        **fields,
    )


def an_end(exit_code, *, after_s=0.0, reason="Error", **report):
    """Return how a trainer container ended; ``report`` is its termination message."""
    message = json.dumps({"exitCode": exit_code, **report}) if report else ""
    return Termination(exit_code, reason, message, T0 + timedelta(seconds=after_s))


def a_report(rank=0, *, silent_s=0.0, pod=None, **entry):
    """Return what a rank said of itself; by default it just made progress."""
    return RankReport(rank, pod or pod_name(JOB, 1, rank), {"rank": rank, **entry}, silent_s)


def failed(pod, exit_code, **end):
    """Return the pod after its trainer ended with a code."""
    return replace(pod, phase="Failed", ready=False, termination=an_end(exit_code, **end))


def succeeded(pod, **report):
    """Return the pod after its trainer is done."""
    end = an_end(0, reason="Completed", **report)
    return replace(pod, phase="Succeeded", ready=False, termination=end)


def devices_annotation(host, *devices, server_id=None, key=DEVICES):
    """Return the device plugin's annotation: (device id, address) pairs on a host."""
    document = {
        "server_id": server_id or host,
        "host_ip": host,
        "devices": [{"device_id": str(i), "device_ip": ip} for i, ip in devices],
    }
    return {key: json.dumps(document)}


def alloc(host, *ids, pod=None, **fields):
    """Return an allocation of device ids on a host; addresses follow host and id."""
    pod = pod or f"p-{host}-{'-'.join(map(str, ids))}"
    devices = tuple(Device(i, f"192.168.{i}.{host.rpartition('.')[2]}") for i in sorted(ids))
    defaults = {"pod_uid": f"uid-{pod}", "pod_ip": "10.1.0.1", "node": f"node-{host}"}
    return Allocation(pod=pod, host=host, devices=devices, **{**defaults, **fields})


@dataclass
class Cluster:
    """Holds one job and its children, and carries out plans as ``execute`` does."""

    job: dict
    now: datetime = T0
    pods: dict[str, PodView] = field(default_factory=dict)
    config_maps: dict[str, dict] = field(default_factory=dict)
    groups: dict[str, dict] = field(default_factory=dict)
    absent: dict = field(default_factory=dict)
    nodes: dict = field(default_factory=dict)
    lost_nodes: dict = field(default_factory=dict)
    chip_reports: dict = field(default_factory=dict)
    refusals: dict = field(default_factory=dict)
    progress: dict | None = None
    survey: tuple | None = None
    events: list = field(default_factory=list)

    @property
    def status(self):
        """The job's stored status."""
        return self.job["status"]

    def view(self):
        """Return what ``observe`` would gather."""
        return View(
            job=parse_job(self.job),
            status=deepcopy(self.status),
            pods=tuple(self.pods.values()),
            config_maps={n: parse_config_map(c) for n, c in self.config_maps.items()},
            groups=tuple(parse_group(resource_of(g), g) for g in self.groups.values()),
            absent=self.absent,
            nodes=self.nodes,
            lost_nodes=self.lost_nodes,
            chip_reports=self.chip_reports,
            refusals=self.refusals,
            progress=self.progress and a_report(**self.progress),
            survey=self.survey,
        )

    def plan(self):
        """Return the next plan without carrying it out."""
        return reconcile(self.view(), self.now)

    def turn(self, seconds=0.0):
        """Reconcile once, ``seconds`` later; return the plan after it was carried out."""
        self.now += timedelta(seconds=seconds)
        plan = self.plan()
        self.execute(plan)
        return plan

    def settle(self, turns=10):
        """Reconcile until nothing changes; return the last plan."""
        for _ in range(turns):
            if is_empty(plan := self.turn()):
                return plan
        raise AssertionError(f"still changing after {turns} turns: {plan}")

    def execute(self, plan: Plan):
        """Store what the plan says; a deleted pod stays, terminating, until ``collect``."""
        assert plan.waits_for, "explain would have nothing to say"
        assert all(event.reason and event.message for event in plan.events)
        if plan.status is not None:
            text = json.dumps(plan.status, allow_nan=False)
            EfficientNetJobStatus.model_validate_json(text, extra="forbid")
            assert ": null" not in text, "the API server would drop or refuse it"
            self.job["status"] = json.loads(text)
        for delete in plan.deletes:
            if delete.resource is not POD:
                del self._store(delete.resource)[delete.name]
                continue
            pod = self.pods[delete.name]
            assert pod.uid == delete.uid
            self.pods[delete.name] = replace(pod, deleting=True)
        for document in plan.creates:
            name, store = document["metadata"]["name"], self._store(resource_of(document))
            assert name not in store, f"{name} is taken"
            store[name] = deepcopy(document)
            store[name]["metadata"] |= {
                "uid": f"uid-of-{name}",
                "creationTimestamp": self.now.isoformat(),
            }
        for document in plan.pods:
            name = document["metadata"]["name"]
            assert name not in self.pods, f"{name} is taken"
            stored = deepcopy(document)
            stored["metadata"] |= {"uid": f"uid-of-{name}", "resourceVersion": "1"}
            self.pods[name] = parse_pod(stored)
        for patch in plan.patches:
            self._patch(patch)
        self.events += plan.events

    def _store(self, resource):
        return {CONFIG_MAP: self.config_maps}.get(resource, self.groups)

    def _patch(self, patch):
        if patch.resource is POD:
            pod = self.pods[patch.name]
            merged = {**pod.annotations, **patch.body["metadata"]["annotations"]}
            kept = {key: value for key, value in merged.items() if value is not None}
            self.pods[patch.name] = replace(pod, annotations=kept)
            return
        assert patch.resource is CONFIG_MAP
        document = self.config_maps[patch.name]
        document["data"] |= patch.body.get("data", {})
        annotations = patch.body.get("metadata", {}).get("annotations", {})
        document["metadata"].setdefault("annotations", {}).update(annotations)

    def collect(self):
        """Let the kubelets end what was deleted."""
        self.pods = {n: p for n, p in self.pods.items() if not p.deleting}

    def change(self, name, **fields):
        """Change one pod as the kubelet or the scheduler would."""
        self.pods[name] = replace(self.pods[name], **fields)

    def bind(self, per_host=2):
        """Give each unbound pod a host, address and devices, ``per_host`` pods to a host."""
        for pod in list(self.pods.values()):
            host, slot = divmod(pod.index, per_host)
            if pod.pod_ip or pod.deleting:
                continue
            net, number = divmod(host, 250)
            address = f"10.0.{net}.{number + 1}"
            device = (slot, f"192.{168 + net}.{slot}.{number + 1}")
            self.change(
                pod.name,
                node=pod.node or f"node-{host}",
                host_ip=address,
                pod_ip=f"10.{net + 1}.{number}.{slot + 1}",
                annotations={**pod.annotations, **devices_annotation(address, device)},
            )

    def start(self):
        """Let every pod run and become ready."""
        for name in self.pods:
            self.change(name, phase="Running", started=True, ready=True)

    def run(self, per_host=2):
        """Bring the job from nothing to Running."""
        self.settle()
        self.bind(per_host)
        self.settle()
        self.start()
        self.settle()
        assert self.condition("Running") == ("True", "AllRanksReady")

    def condition(self, kind):
        """Return (status, reason) of a stored condition; None where there is none."""
        found = (c for c in self.status.get("conditions", []) if c["type"] == kind)
        return next(((c["status"], c["reason"]) for c in found), None)

    def message(self, kind):
        """Return a stored condition's message."""
        return next(c["message"] for c in self.status["conditions"] if c["type"] == kind)


def is_empty(plan):
    """Tell whether a plan changes nothing."""
    writes = (plan.deletes, plan.creates, plan.pods, plan.patches, plan.events, plan.reports)
    return plan.status is None and not any(writes)


def a_running_job(**run_policy):
    cluster = Cluster(a_job(4, scheduling={"npusPerHost": 2}, runPolicy=run_policy))
    cluster.run()
    return cluster


def fail(cluster, name, code, **end):
    """Let one rank fail, and the 5 s for its siblings' reports pass."""
    after_s = (cluster.now - T0).total_seconds()
    cluster.pods[name] = failed(cluster.pods[name], code, after_s=after_s, **end)
    cluster.turn()
    return cluster.turn(5)
