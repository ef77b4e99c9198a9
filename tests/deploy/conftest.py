"""Fixtures of the deployment tests: helm, and an API server that judges what it renders.

- ``helm``: `helm("lint", ...)`; `helm.render("--set", "a=b")`: the objects by kind and name.
- ``helm_docs``: helm-docs, which makes the chart's page.
- ``api``: a real API server of the session, with the CRD installed.
- ``kubeconform``: kubeconform with the schemas of that server and of the Prometheus Operator,
  in strict form.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from localcluster.binaries import find_binaries
from localcluster.control_plane import ControlPlane
from localcluster.errors import ClusterError

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/efficientnet-operator"
JOBS_PATH = "/apis/efficientnet.dev/v1alpha1/namespaces/default/efficientnetjobs"
PROMETHEUS_CRDS = Path(__file__).parent / "crds/prometheus-operator.yaml"
JOB_DEFINITION = "dev.efficientnet.v1alpha1.EfficientNetJob"

Objects = dict[tuple[str, str], dict[str, Any]]


def find_binary(name: str) -> str:
    return str(find_binaries(name)[name])


@dataclass
class Helm:
    """The real helm, with folders of its own, at one cluster or at none."""

    binary: str
    home: Path
    kubeconfig: str = "/dev/null"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        folders = {f"HELM_{name}_HOME": str(self.home) for name in ("CACHE", "CONFIG", "DATA")}
        environment = {**os.environ, **folders, "KUBECONFIG": self.kubeconfig}
        return subprocess.run(
            [self.binary, *arguments], env=environment, capture_output=True, text=True, timeout=120
        )

    def __call__(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def render(self, *options: str, release: str = "efficientnet-operator") -> Objects:
        text = self("template", release, str(CHART), "--namespace", "enj-system", *options)
        return index(text)


def index(text: str) -> Objects:
    """Return the objects of a YAML stream by kind and name, some by namespace/name."""
    objects: Objects = {}
    for document in yaml.safe_load_all(text):
        if document is None:
            continue
        name = document["metadata"]["name"]
        # Of these there may be one in each of several namespaces.
        if document["kind"] in {"Role", "RoleBinding", "NetworkPolicy"}:
            name = f"{document['metadata']['namespace']}/{name}"
        key = (document["kind"], name)
        assert key not in objects, f"{key} is rendered twice"
        objects[key] = document
    return objects


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(find_binary("helm"), tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def helm_docs() -> str:
    return find_binary("helm-docs")


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """An API server and etcd without the CRD, for tests that install and remove it."""
    with ControlPlane() as started:
        yield started


@pytest.fixture(scope="session")
def api() -> Iterator[ControlPlane]:
    """An API server and etcd with the CRD of deploy/crd."""
    with ControlPlane() as started:
        started.kubectl("apply", "--server-side", "-f", str(ROOT / "deploy/crd"))
        wait_until_served(started)
        yield started


@pytest.fixture(scope="session")
def kubeconform(api: ControlPlane, tmp_path_factory: pytest.TempPathFactory):
    """Return a function that returns kubeconform's verdict on each object of a YAML text."""
    folder = tmp_path_factory.mktemp("schemas")
    write_schemas(wait_for_openapi(api), folder)
    write_crd_schemas(yaml.safe_load(PROMETHEUS_CRDS.read_text())["items"], folder)
    location = str(folder / "{{.Group}}-{{.ResourceAPIVersion}}-{{.ResourceKind}}.json")
    command = [find_binary("kubeconform"), "-strict", "-output", "json", "-verbose"]

    def check(text: str) -> list[str]:
        done = subprocess.run(
            [*command, "-schema-location", location],
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
        )
        found = json.loads(done.stdout)["resources"]
        return [r.get("msg") or r["status"].removeprefix("status") for r in found]

    return check


def wait_until_served(api: ControlPlane, deadline_s: float = 30) -> None:
    """A CRD is there for a moment before it has a status, and before its resource answers."""
    ends = time.monotonic() + deadline_s
    while True:
        try:
            api.kubectl("get", "--raw", JOBS_PATH)
        except ClusterError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)
        else:
            return


def wait_for_openapi(api: ControlPlane, deadline_s: float = 30) -> dict[str, Any]:
    """Return the server's OpenAPI v2, which a new CRD joins a little later."""
    ends = time.monotonic() + deadline_s
    while True:
        document = json.loads(api.kubectl("get", "--raw", "/openapi/v2"))
        if JOB_DEFINITION in document["definitions"]:
            return document
        assert time.monotonic() < ends, f"{JOB_DEFINITION} is not in /openapi/v2"
        time.sleep(0.2)


def write_schemas(document: dict[str, Any], folder: Path) -> None:
    """Write a JSON schema for each kind of an OpenAPI v2 document, as kubeconform looks for it."""
    definitions = {name: to_strict(d) for name, d in document["definitions"].items()}
    # Both are written as numbers too, which OpenAPI v2 cannot say.
    for name in ("api.resource.Quantity", "util.intstr.IntOrString"):
        definitions[f"io.k8s.apimachinery.pkg.{name}"] = {"type": ["string", "number"]}
    (folder / "definitions.json").write_text(json.dumps({"definitions": definitions}))
    for name, definition in document["definitions"].items():
        for kind in definition.get("x-kubernetes-group-version-kind", []):
            schema = {"$ref": f"definitions.json#/definitions/{name}"}
            # kubeconform takes what stands before the slash for the group: v1 of the core.
            group = kind["group"] or kind["version"]
            file = f"{group}-{kind['version']}-{kind['kind'].lower()}.json"
            (folder / file).write_text(json.dumps(schema))


def write_crd_schemas(crds: list[dict[str, Any]], folder: Path) -> None:
    """Write a JSON schema for each kind of CRDs that the server does not have."""
    for crd in crds:
        spec = crd["spec"]
        for version in spec["versions"]:
            schema = to_strict(version["schema"]["openAPIV3Schema"])
            for name in ("apiVersion", "kind", "metadata"):
                schema["properties"][name] = {}
            file = f"{spec['group']}-{version['name']}-{spec['names']['kind'].lower()}.json"
            (folder / file).write_text(json.dumps(schema))


def to_strict(schema: Any) -> Any:
    """Return a schema that refuses unknown fields, where the original lists what it knows."""
    if isinstance(schema, list):
        return [to_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: to_strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        free = schema.get("x-kubernetes-preserve-unknown-fields", False)
        strict.setdefault("additionalProperties", free)
    return strict
