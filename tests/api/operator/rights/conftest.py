"""A cluster of its own for rights that come and go; the fixture `lab` is that of the folder above.

``operator`` does not run yet: a test launches it with the rights that it left.
"""

from collections.abc import Iterator
from itertools import count

import pytest
from localcluster.control_plane import ControlPlane
from operator_lab.api import Api
from operator_lab.identity import NAMESPACE, install, write_operator_kubeconfig
from operator_lab.process import OperatorProcess

LEASES = count(1)


@pytest.fixture(scope="session")
def governed() -> Iterator[ControlPlane]:
    with ControlPlane(fake_nodes=4) as started:
        install(started)
        yield started


@pytest.fixture(scope="session")
def api(governed) -> Iterator[Api]:
    with Api(governed.kubeconfig) as api:
        yield api


@pytest.fixture
def operator(governed, tmp_path) -> Iterator[OperatorProcess]:
    kubeconfig = write_operator_kubeconfig(governed, tmp_path / "kubeconfig")
    log = tmp_path / "log"
    log.touch()
    lease = f"--lease={NAMESPACE}/of-rights-{next(LEASES)}"
    operator = OperatorProcess(kubeconfig, log, lease)
    yield operator
    operator.kill()
