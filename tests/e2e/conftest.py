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

With ``E2E_CLUSTER=dev`` the tests use that cluster and leave it up, which
saves its start while tests are being written.
"""

import os
from collections.abc import Iterator

import pytest
from demo import stage
from localcluster.cluster import Cluster, remove_orphans


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
