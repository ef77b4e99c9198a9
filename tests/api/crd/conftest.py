"""Jobs on a real API server that knows the CRD."""

import copy
import json
import time
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

GROUP, VERSION, PLURAL = "efficientnet.dev", "v1alpha1", "efficientnetjobs"
CRD_FILE = Path(__file__).parents[3] / "deploy/crd/efficientnetjobs.yaml"
NAMESPACE = "crd-tests"
MINIMAL = {
    "apiVersion": f"{GROUP}/{VERSION}",
    "kind": "EfficientNetJob",
    "metadata": {"name": "b0"},
    "spec": {
        "npus": 1,
        "image": "trainer:1",
        "dataset": {"path": "/data"},
        "output": {"path": "/out"},
    },
}


class Jobs:
    """The jobs of one namespace on a real API server."""

    namespace = NAMESPACE

    def __init__(self, api: client.CustomObjectsApi) -> None:
        self._api = api
        self._where = (GROUP, VERSION, NAMESPACE, PLURAL)

    def build(self, changes: dict[str, Any]) -> dict[str, Any]:
        """Return the least manifest with the values at dotted paths replaced; ``...`` removes."""
        manifest = copy.deepcopy(MINIMAL)
        for path, value in changes.items():
            *parents, last = path.split(".")
            node = manifest
            for name in parents:
                node = node.setdefault(name, {})
            if value is ...:
                del node[last]
            else:
                node[last] = value
        return manifest

    def create(self, manifest: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        options = {"dry_run": "All"} if dry_run else {}
        return self._api.create_namespaced_custom_object(
            *self._where, manifest, field_validation="Strict", **options
        )

    def patch(self, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        return self._api.patch_namespaced_custom_object(*self._where, name, {"spec": spec})

    def patch_status(self, name: str, status: dict[str, Any]) -> dict[str, Any]:
        return self._api.patch_namespaced_custom_object_status(
            *self._where, name, {"status": status}
        )

    def words_against(self, manifest: dict[str, Any]) -> list[str]:
        """Return what the server says against creating a manifest."""
        try:
            self.create(manifest, dry_run=True)
        except client.ApiException as error:
            return self.words(error)
        return []

    @staticmethod
    def words(error: client.ApiException) -> list[str]:
        """Return an answer's faults, sorted and without the server's framing."""
        status = json.loads(error.body)
        causes = status.get("details", {}).get("causes")
        if causes:
            return sorted({f"{cause['field']}: {cause['message']}" for cause in causes})
        return [status["message"].partition("cannot be handled as a EfficientNetJob: ")[2]]


@pytest.fixture(scope="session")
def crd_file():
    return CRD_FILE


@pytest.fixture(scope="session")
def cluster(control_plane):
    control_plane.kubectl("apply", "--server-side", "-f", str(CRD_FILE))
    control_plane.kubectl("create", "namespace", NAMESPACE)
    return control_plane


@pytest.fixture(scope="session")
def jobs(cluster):
    with config.new_client_from_config(config_file=str(cluster.kubeconfig)) as api_client:
        jobs = Jobs(client.CustomObjectsApi(api_client))
        wait_until_served(jobs)
        yield jobs


def wait_until_served(jobs: Jobs, deadline_s: float = 60) -> None:
    """A CRD is there for a moment before its resource answers."""
    ends = time.monotonic() + deadline_s
    while True:
        try:
            jobs.create(MINIMAL, dry_run=True)
        except client.ApiException as error:
            if error.status != 404 or time.monotonic() > ends:
                raise
        else:
            return
        time.sleep(0.1)
