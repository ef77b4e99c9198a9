"""One EfficientNetJob on a simulated cluster, and the parts that others play for it.

kwok turns its pods Running and Ready. What the device plugin and the trainers
would say is put on the pods from here, when the test wants it said.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import Any

from ascend_sim.annotations import PodOnNode, ServerId, build_pod_annotations
from ascend_sim.chips import device_ip

from operator_lab.api import Api
from operator_lab.waiting import DEADLINE_S, wait_until

JOBS = "efficientnetjobs"
CONFIGURATION = "ascend.kubectl.kubernetes.io/ascend-910-configuration"
HASH = "efficientnet.dev/rank-table"
LABEL = "efficientnet.dev"

Object = dict[str, Any]
Chips = Mapping[int, str]


class Job:
    """One job; reads are always fresh.

    Args:
        api: the API server.
        namespace: where it lives.
        name: its name.
        spec: differences from the smallest spec.
        labels: of the job itself.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        name: str,
        spec: Object,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self.api = api
        self.namespace = namespace
        self.name = name
        self.uid = ""
        self.labels = dict(labels or {})
        self.spec = {
            "image": "trainer:1",
            "dataset": {"path": "/data"},
            "output": {"path": "/out"},
            **spec,
        }

    def create(self) -> "Job":
        """Create it; return itself."""
        body = {
            "apiVersion": "efficientnet.dev/v1alpha1",
            "kind": "EfficientNetJob",
            "metadata": {"name": self.name, "labels": self.labels},
            "spec": self.spec,
        }
        self.uid = self.api.create(JOBS, self.namespace, body)["metadata"]["uid"]
        return self

    def patch(self, spec: Object) -> None:
        """Merge-patch its spec."""
        self.api.patch(JOBS, self.namespace, self.name, {"spec": spec})

    def delete(self) -> None:
        """Delete it."""
        self.api.delete(JOBS, self.namespace, self.name)

    @property
    def document(self) -> Object:
        """The job as stored."""
        return self.api.get(JOBS, self.namespace, self.name)

    @property
    def status(self) -> Object:
        """Its status; {} before there is one."""
        return self.document.get("status") or {}

    def condition(self, kind: str) -> Object:
        """Return one condition; {} where it is absent."""
        conditions = self.status.get("conditions") or []
        return next((c for c in conditions if c["type"] == kind), {})

    def pods(self, attempt: int | None = None) -> list[Object]:
        """Return its pods by replica index, of one attempt or of all; none of a predecessor."""
        selector = f"{LABEL}/job-name={self.name},{LABEL}/job-uid={self.uid}"
        selector += f",{LABEL}/attempt={attempt}" if attempt else ""
        pods = self.api.list_all("pods", self.namespace, selector)
        return sorted(pods, key=lambda p: int(p["metadata"]["labels"][f"{LABEL}/replica-index"]))

    def config_map(self, attempt: int = 1) -> Object:
        """Return the rank table's ConfigMap of one attempt."""
        return self.api.get("configmaps", self.namespace, f"{self.name}-{attempt}-rank-table")

    def table(self, attempt: int = 1) -> Object:
        """Return the published rank table."""
        return json.loads(self.config_map(attempt)["data"]["hccl.json"])

    def peers(self, attempt: int = 1) -> list[Object]:
        """Return the published peers."""
        return json.loads(self.config_map(attempt)["data"]["peers.json"])

    def wait(
        self, what: str, reached: Callable[[Object], object], deadline_s: float = DEADLINE_S
    ) -> Object:
        """Wait until ``reached`` holds of the status; return that status."""

        def probe() -> Object | None:
            status = self.status
            return status if reached(status) else None

        what = f"{self.namespace}/{self.name} {what}"
        return wait_until(what, probe, deadline_s=deadline_s, state=self.describe)

    def wait_phase(self, phase: str, attempt: int | None = None) -> Object:
        """Wait for a phase, of an attempt if one is named; return the status."""
        return self.wait(
            f"is {phase}",
            lambda s: s.get("phase") == phase and attempt in {None, s["attempt"]},
        )

    def wait_condition(
        self, kind: str, status: str, reason: str, deadline_s: float = DEADLINE_S
    ) -> str:
        """Wait for a condition's status and reason; return its message."""

        def reached(stored: Object) -> bool:
            return any(
                (c["type"], c["status"], c["reason"]) == (kind, status, reason)
                for c in stored.get("conditions") or []
            )

        self.wait(f"has {kind}={status} {reason}", reached, deadline_s)
        return self.condition(kind)["message"]

    def wait_bound(self, count: int, attempt: int = 1) -> list[Object]:
        """Wait until so many pods of an attempt have node and address; return those."""

        def bound() -> list[Object]:
            pods = [p for p in self.pods(attempt) if p.get("status", {}).get("podIP")]
            return pods if len(pods) >= count else []

        what = f"{self.namespace}/{self.name}: {count} pods of attempt {attempt} run"
        return wait_until(what, bound, state=self.describe)

    def describe(self) -> str:
        """Return status and pods in short, for the message of a failed wait."""
        stored = self.api.find(JOBS, self.namespace, self.name) or {}
        pods = {p["metadata"]["name"]: p["status"].get("phase") for p in self.pods()}
        return json.dumps({"status": stored.get("status"), "pods": pods}, indent=1)

    def annotate(self, pod: Object, annotation: str) -> None:
        """Write the device plugin's annotation, whatever it says."""
        body = {"metadata": {"annotations": {CONFIGURATION: annotation}}}
        self.api.patch("pods", self.namespace, pod["metadata"]["name"], body)

    def allocate(
        self,
        pod: Object,
        chips: Chips | list[int],
        form: ServerId = "pod-uid",
        host: str | None = None,
    ) -> None:
        """Say that a pod was given chips, as the device plugin says it.

        Args:
            pod: which pod.
            chips: ids, or id to address where the address is not the usual one.
            form: the plugin's newer or older form.
            host: another host than the pod's own.
        """
        address = IPv4Address(host or pod["status"]["hostIP"])
        if isinstance(chips, list):
            chips = {chip: device_ip(address, chip) for chip in chips}
        known = PodOnNode(pod["metadata"]["name"], pod["metadata"]["uid"], address)
        self.annotate(pod, build_pod_annotations(known, chips, form)[CONFIGURATION])

    def allocate_all(self, pods: list[Object], form: ServerId = "pod-uid") -> None:
        """Give each pod the next free chips of its host, from 0."""
        per_pod = self.spec.get("npusPerPod", 1)
        used: dict[str, int] = {}
        for pod in pods:
            first = used.get(pod["status"]["hostIP"], 0)
            used[pod["status"]["hostIP"]] = first + per_pod
            self.allocate(pod, list(range(first, first + per_pod)), form)

    def run(self, attempt: int = 1, form: ServerId = "pod-uid") -> list[Object]:
        """Bring an attempt to Running; return its pods."""
        self.allocate_all(self.wait_bound(self.replicas, attempt), form)
        self.wait_phase("Running", attempt)
        return self.pods(attempt)

    @property
    def age_s(self) -> float:
        """Seconds since it started, by its status."""
        started = datetime.fromisoformat(self.status["startTime"])
        return (datetime.now(UTC) - started).total_seconds()

    @property
    def replicas(self) -> int:
        """How many pods an attempt has."""
        return int(self.spec["npus"]) // int(self.spec.get("npusPerPod", 1))

    def set_ready(self, pod: Object, value: str) -> None:
        """Report a pod's condition Ready, as its kubelet does: True or False."""
        conditions = [c for c in pod["status"]["conditions"] if c["type"] != "Ready"]
        self._report(pod, {"conditions": [*conditions, {"type": "Ready", "status": value}]})

    def set_address(self, pod: Object, address: str | None) -> None:
        """Report a pod's address, or that it has none."""
        addresses = [{"ip": address}] if address else None
        self._report(pod, {"podIP": address, "podIPs": addresses})

    def _report(self, pod: Object, status: Object) -> None:
        name = pod["metadata"]["name"]
        self.api.patch("pods", self.namespace, name, {"status": status}, "status")

    def end(self, pod: Object, code: int, report: Mapping[str, Any] | str = "", ago_s: int = 10):
        """Let a pod's trainer end with a code and a termination message, some seconds ago."""
        body = build_end(code, report, ago_s)
        self.api.patch("pods", self.namespace, pod["metadata"]["name"], body, "status")


def build_end(code: int, report: Mapping[str, Any] | str = "", ago_s: int = 10) -> Object:
    """Return the patch of a pod's status that a kubelet makes when the trainer has ended."""
    moment = (datetime.now(UTC) - timedelta(seconds=ago_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
    message = report if isinstance(report, str) else json.dumps(report)
    ended = {
        "exitCode": code,
        "reason": "Error" if code else "Completed",
        "message": message,
        "startedAt": moment,
        "finishedAt": moment,
    }
    container = {
        "name": "trainer",
        "image": "trainer:1",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"terminated": ended},
    }
    return {
        "status": {"phase": "Failed" if code else "Succeeded", "containerStatuses": [container]}
    }
