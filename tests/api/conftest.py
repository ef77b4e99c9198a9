"""Fixtures of the API tests: a real kube-apiserver over a real etcd.

- ``control_plane``: API server and etcd alone, shared by the session, ready in
  about 3 s.  Nothing collects garbage, binds or runs pods; pods need no
  ServiceAccount.
- ``simulated_cluster``: controllers, scheduler and four kwok nodes of eight
  ``huawei.com/Ascend910`` each on top, whose pods turn Running; garbage is
  collected, native gangs are scheduled.  Ready in about 7 s.

Both give ``.kubeconfig`` (a path), ``.url``, ``.kubectl("get", "pods")``,
``.kubectl.get(...)`` (JSON), ``.kubectl.apply(*objects)``, and
``.kill("kube-apiserver")`` / ``.restart("kube-apiserver")``.  Tests share them:
work in a namespace of your own. Tests that install CRDs have a cluster of their own
(operator/gangs).
"""

from collections.abc import Iterator

import pytest
from localcluster.control_plane import ControlPlane


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """An API server and etcd, alone."""
    with ControlPlane() as started:
        yield started


@pytest.fixture(scope="session")
def simulated_cluster() -> Iterator[ControlPlane]:
    """A control plane with controllers and four fake Ascend servers."""
    with ControlPlane(fake_nodes=4) as started:
        yield started
