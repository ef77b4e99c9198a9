"""A cluster of its own for gangs and queues: four servers in two racks, and room for their CRDs.

CRDs are cluster-wide, so that other tests would see them come and go. The
fixtures `operator` and `lab` are those of the folder above, on this cluster;
the operator is started with `--kueue`.

- ``schedulers``: the CRDs of Volcano, Coscheduling and Kueue are installed here.
- ``alone``: makes a bare API server with an operator of its own, for tests that
  need other gates, or see an API come.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from localcluster.control_plane import ControlPlane
from operator_lab.api import Api
from operator_lab.identity import grant, install, write_operator_kubeconfig
from operator_lab.process import OperatorProcess

CRDS = Path(__file__).resolve().parents[2] / "crds"
RACKS = {"fake0": "a", "fake1": "a", "fake2": "b", "fake3": "b"}
RACK = "example.com/rack"


def start_operator(cluster: ControlPlane, folder: Path) -> OperatorProcess:
    install(cluster)
    grant(cluster, "kueue.enabled=true", "operator-role", "kueue-access")
    kubeconfig = write_operator_kubeconfig(cluster, folder / "kubeconfig")
    flags = ("--progress-interval=1", "--kueue")
    operator = OperatorProcess(kubeconfig, folder / "operator.log", *flags)
    operator.start()
    return operator


@pytest.fixture(scope="session")
def racks() -> Iterator[ControlPlane]:
    with ControlPlane(fake_nodes=len(RACKS)) as started:
        for node, rack in RACKS.items():
            started.kubectl("label", "node", node, f"{RACK}={rack}")
        yield started


@pytest.fixture(scope="session")
def schedulers(racks) -> None:
    racks.kubectl.install_crds(CRDS)


@pytest.fixture(scope="session")
def api(racks) -> Iterator[Api]:
    with Api(racks.kubeconfig) as api:
        yield api


@pytest.fixture(scope="session")
def shared_operator(api, racks, schedulers, tmp_path_factory) -> Iterator[OperatorProcess]:
    operator = start_operator(racks, tmp_path_factory.mktemp("operator-of-gangs"))
    yield operator
    operator.kill()


@pytest.fixture
def alone(tmp_path) -> Iterator[Callable[..., tuple[ControlPlane, Api]]]:
    with ExitStack() as stack:

        def start(**settings: str) -> tuple[ControlPlane, Api]:
            cluster = stack.enter_context(ControlPlane(**settings))
            stack.callback(start_operator(cluster, tmp_path).kill)
            return cluster, stack.enter_context(Api(cluster.kubeconfig))

        yield start
