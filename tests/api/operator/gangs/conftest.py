"""A cluster of its own for gangs and queues: four servers in two racks, and room for their CRDs.

CRDs are cluster-wide, so that other tests would see them come and go. The
fixtures `operator` and `lab` are those of the folder above, on this cluster.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from localcluster.control_plane import ControlPlane
from operator_lab.api import Api
from operator_lab.identity import install, write_operator_kubeconfig
from operator_lab.process import OperatorProcess

CRDS = Path(__file__).resolve().parents[2] / "crds"
RACKS = {"fake0": "a", "fake1": "a", "fake2": "b", "fake3": "b"}
RACK = "example.com/rack"


@pytest.fixture(scope="session")
def racks() -> Iterator[ControlPlane]:
    with ControlPlane(fake_nodes=len(RACKS)) as started:
        for node, rack in RACKS.items():
            started.kubectl("label", "node", node, f"{RACK}={rack}")
        install(started)
        yield started


@pytest.fixture(scope="session")
def api(racks) -> Iterator[Api]:
    with Api(racks.kubeconfig) as api:
        yield api


@pytest.fixture(scope="session")
def shared_operator(api, racks, tmp_path_factory) -> Iterator[OperatorProcess]:
    folder = tmp_path_factory.mktemp("operator-of-gangs")
    kubeconfig = write_operator_kubeconfig(racks, folder / "kubeconfig")
    operator = OperatorProcess(kubeconfig, folder / "operator.log", "--progress-interval=1")
    operator.start()
    yield operator
    operator.kill()


@pytest.fixture(scope="session")
def install_crds(racks) -> Callable[..., None]:
    """Install CRDs by the names of their files."""

    def install_named(*names: str) -> None:
        files = [argument for name in names for argument in ("-f", str(CRDS / f"{name}.yaml"))]
        racks.kubectl("apply", "--server-side", *files)
        racks.kubectl("wait", "--for=condition=Established", *files, "--timeout=30s")

    return install_named
