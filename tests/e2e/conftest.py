"""Fixture of the end-to-end tests: one cluster of two real nodes for the whole session.

``cluster`` is a ``localcluster.cluster.Cluster`` of a name of its own, so that
two test runs share a machine.  Its nodes are ``node0`` and ``node1``; tests
share them, so work in a namespace of your own and clean it up.  Useful parts:

- ``cluster.kubeconfig`` (path), ``cluster.kubectl("get", "pods")`` (text),
  ``cluster.kubectl.get("pods", "-n", "x")`` (JSON), ``.apply(*objects)``
- ``cluster.load([tar, ...])``: import OCI archives into every node
- ``cluster.nodes``: name, ip, pid (for ``nsenter -t PID -m -n``), kubelet_root
- ``cluster.run_in_node("node0", argv, name="plugin")`` / ``stop_in_node``
- ``cluster.restart("node0", "kubelet")``, ``.stop_in_node("node0", "kubelet")``,
  ``.disconnect("node0")``, ``.reconnect("node0")``; ``cluster.up()`` repairs all

``equipped`` is the same cluster with both images, simulated NPUs, the digits and
the operator installed by helm: what ``make demo`` sets up.

``run`` starts a job on it and returns a ``Run``; ``run_for_all`` is for what the tests of a
file share.

With ``E2E_CLUSTER=dev`` the tests use that cluster and leave it up, which
saves its start while tests are being written.
"""

import json
import os
import re
from collections.abc import Callable, Iterator

import pytest
from demo import stage
from localcluster.cluster import Cluster, remove_orphans
from localcluster.pod_watch import PodWatch
from operator_lab.waiting import wait_until

EVALUATED_LOSS = re.compile(r"Eval results: \{'loss': ([\d.]+)")
STEP = re.compile(r"^step:(\d+) ", re.MULTILINE)
ON_THE_WAY = {None, "Pending", "Allocating", "Starting", "Running", "Restarting"}


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Two real nodes, gone when the session ends."""
    kept = os.environ.get("E2E_CLUSTER")
    if kept:
        yield Cluster(kept).up()
        return
    remove_orphans()
    own = Cluster(f"e2e-{os.getpid()}", owned=True)
    try:
        yield own.up()
    finally:
        own.down()


@pytest.fixture(scope="session")
def equipped(cluster: Cluster) -> Cluster:
    """The cluster as `make demo` prepares it: images, NPUs, data, operator."""
    archives = stage.build_images()
    stage.equip(cluster, archives)
    stage.prepare_data(cluster)
    stage.install_operator(cluster, archives)
    return cluster


class Run:
    """One job under test: what kubectl says of it."""

    def __init__(self, cluster, job):
        self.kubectl = cluster.kubectl
        self.name = job["metadata"]["name"]
        stage.remove_job(cluster, self.name)
        # Also of pods that are soon deleted.
        self.pods = PodWatch(self.kubectl, f"efficientnet.dev/job-name={self.name}")
        self.kubectl.apply(job)

    def status(self):
        return self.kubectl.get("enj", self.name).get("status") or {}

    def step(self):
        return (self.status().get("progress") or {}).get("step") or 0

    def wait_until(self, what, probe, deadline_s=300):
        """Wait until `probe` holds; the failure shows the job's status."""
        return wait_until(
            f"{self.name}: {what}", probe, deadline_s=deadline_s, pause_s=0.2, state=self.status
        )

    def wait_for_phase(self, phase, deadline_s=300):
        def look():
            status = self.status()
            assert status.get("phase") in {phase, *ON_THE_WAY}, status
            return status if status.get("phase") == phase else None

        return self.wait_until(phase, look, deadline_s)

    def steps(self, attempt):
        """The steps that an attempt's rank 0 logged."""
        return [int(s) for s in STEP.findall(self._log(attempt))]

    def evaluated_loss(self, attempt=1):
        """The loss on the held-out images that an attempt's rank 0 logged last."""
        return float(EVALUATED_LOSS.findall(self._log(attempt))[-1])

    def _log(self, attempt):
        table = self.kubectl.get("configmap", f"{self.name}-{attempt}-rank-table")
        return self.kubectl("logs", json.loads(table["data"]["peers.json"])[0]["pod"])

    def wait_for_ends(self, count):
        """Wait until the watch, which is apart from the job's status, has told of so many ends."""
        ended = self.pods.ends
        return self.wait_until(f"{count} pods end", lambda: len(e := ended()) == count and e, 60)

    def end(self, cluster):
        self.pods.close()
        stage.remove_job(cluster, self.name)


def start_and_end(cluster: Cluster) -> Iterator[Callable[[dict], Run]]:
    """Start jobs; all are removed at the end."""
    runs = []

    def start(job: dict) -> Run:
        runs.append(Run(cluster, job))
        return runs[-1]

    yield start
    for started in runs:
        started.end(cluster)


@pytest.fixture
def run(equipped: Cluster) -> Iterator[Callable[[dict], Run]]:
    """Start jobs of one test."""
    yield from start_and_end(equipped)


@pytest.fixture(scope="module")
def run_for_all(equipped: Cluster) -> Iterator[Callable[[dict], Run]]:
    """Start jobs that the tests of a file share."""
    yield from start_and_end(equipped)
