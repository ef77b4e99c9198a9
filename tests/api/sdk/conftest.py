"""The SDK and the commands on a real API server; what the operator would say is patched in."""

import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from efficientnet_operator.enj.main import app
from efficientnet_operator.sdk import Client
from operator_lab.api import Api
from operator_lab.job import JOBS
from typer.testing import CliRunner

CRD = Path(__file__).parents[3] / "deploy/crd/efficientnetjobs.yaml"
NUMBERS = count(1)


@pytest.fixture(scope="session")
def api(control_plane) -> Iterator[Api]:
    control_plane.kubectl.install_crds(CRD)
    with Api(control_plane.kubeconfig) as api:
        yield api


@pytest.fixture
def namespace(api) -> str:
    name = f"sdk-{next(NUMBERS)}"
    api.create("namespaces", "", {"metadata": {"name": name}})
    return name


@pytest.fixture
def client(control_plane, namespace) -> Iterator[Client]:
    with Client(str(control_plane.kubeconfig), namespace=namespace) as client:
        yield client


@pytest.fixture
def play(api, namespace) -> Callable[..., Callable[..., None]]:
    """Return a callback that writes the next status each time it sees one; None deletes."""

    def play(name, *statuses):
        script = list(statuses)

        def on_change(_):
            if not script:
                return
            step = script.pop(0)
            if step is None:
                api.delete(JOBS, namespace, name)
            else:
                api.patch(JOBS, namespace, name, {"status": step}, "status")

        return on_change

    return play


@pytest.fixture
def enj(control_plane, namespace):
    """Run a command; return its exit code, what it printed, and what it said of errors."""

    def run(*words, kubeconfig=None):
        where = [f"--kubeconfig={kubeconfig or control_plane.kubeconfig}", f"-n{namespace}"]
        done = CliRunner().invoke(app, [*map(str, words), *where])
        return SimpleNamespace(code=done.exit_code, out=done.stdout, err=done.stderr)

    return run


@pytest.fixture
def stranger(control_plane, namespace, tmp_path) -> Path:
    """A kubeconfig of somebody who may do nothing."""
    control_plane.kubectl("create", "serviceaccount", "stranger", "-n", namespace)
    token = control_plane.kubectl("create", "token", "stranger", "-n", namespace).strip()
    content = yaml.safe_load(control_plane.kubeconfig.read_text())
    for user in content["users"]:
        user["user"] = {"token": token}
    path = tmp_path / "stranger"
    path.write_text(json.dumps(content))
    return path
