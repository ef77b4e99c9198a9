"""deploy/ is what the chart renders, kustomize builds it, and the examples are valid jobs."""

import subprocess
from pathlib import Path

import pytest
import yaml
from efficientnet_operator.api.generate import format_crd
from efficientnet_operator.api.manifests import load_manifest
from efficientnet_operator.api.spec import EfficientNetJob
from efficientnet_operator.api.validation import validate
from efficientnet_operator.core.identity import JobRef
from efficientnet_operator.core.pods import PodBuilder

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CRD_COPY = ROOT / "charts/efficientnet-operator/files/efficientnetjobs.yaml"
EXAMPLES = {path.stem: path.read_text() for path in (DEPLOY / "examples").glob("*.yaml")}
JOBS = {name: text for name, text in EXAMPLES.items() if "kind: EfficientNetJob" in text}
BY_HAND = {"operator/namespace.yaml", "monitoring/kustomization.yaml"}


def test_the_charts_crd_is_the_one_of_the_models():
    assert CRD_COPY.read_text() == format_crd(), "run `make verify` and commit what it writes"


def test_the_manifests_are_what_the_chart_renders(tmp_path):
    subprocess.run([ROOT / "tools/manifests.sh", tmp_path], check=True, timeout=120)
    rendered = read_folders(tmp_path)
    kept = {name: text for name, text in read_folders(DEPLOY).items() if name not in BY_HAND}
    assert kept == rendered, "run `make verify` and commit what it writes"


def read_folders(root):
    return {
        path.relative_to(root).as_posix(): path.read_text()
        for folder in ("rbac", "operator", "monitoring")
        for path in (root / folder).glob("*")
    }


def kustomize(api, folder=DEPLOY):
    return api.kubectl("kustomize", str(folder))


def test_kustomize_builds_what_the_chart_installs(api, helm):
    built = list(yaml.safe_load_all(kustomize(api)))
    named = {(o["kind"], o["metadata"]["name"]) for o in built}
    rendered = {
        (kind, name.rpartition("/")[2])
        for (kind, name), document in helm.render().items()
        if "helm.sh/hook" not in document["metadata"].get("annotations", {})
    }
    assert named == {*rendered, ("Namespace", "efficientnet-system")}
    assert not any("helm" in str(o["metadata"]).lower() for o in built)


def test_every_manifest_has_the_form_that_the_server_publishes(api, kubeconform):
    assert kubeconform(kustomize(api)) == ["Valid"] * 14
    assert kubeconform(kustomize(api, DEPLOY / "monitoring")) == ["Valid"] * 6


def test_kubectl_installs_it_without_a_word_of_warning(api):
    """The namespace warns of what the restricted Pod Security profile would refuse."""
    command = api.kubectl.argv("apply", "-k", str(DEPLOY), "--server-side", "--force-conflicts")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    deployment = api.kubectl.get(
        "deployment", "-n", "efficientnet-system", "efficientnet-operator"
    )
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "operator", "namespace": "efficientnet-system"},
        "spec": deployment["spec"]["template"]["spec"],
    }
    # The profile is enforced on pods, which no controller makes here.
    api.kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(pod))


@pytest.mark.parametrize("name", JOBS)
def test_an_example_is_valid(name):
    assert validate(load_manifest(JOBS[name])) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_server_takes_an_example_as_it_is(api, kubeconform, name):
    text = EXAMPLES[name]
    assert set(kubeconform(text)) == {"Valid"}
    api.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)


@pytest.mark.parametrize("name", JOBS)
def test_the_pod_of_an_example_has_the_form_that_the_server_publishes(kubeconform, name):
    """What podTemplate adds is free-form to the CRD; only the pod shows whether it is right."""
    job = EfficientNetJob.model_validate(load_manifest(JOBS[name]))
    reference = JobRef(namespace="default", name=job.metadata.name, uid="u")
    pod = PodBuilder(reference, job.spec, 1).build(0)
    assert kubeconform(yaml.safe_dump(pod)) == ["Valid"]
    mounted = {m["name"] for c in pod["spec"]["containers"] for m in c["volumeMounts"]}
    assert mounted == {v["name"] for v in pod["spec"]["volumes"]}


def test_the_volumes_are_those_that_the_digits_jobs_claim():
    objects = list(yaml.safe_load_all(EXAMPLES["digits-volumes"]))
    claims = {o["metadata"]["name"] for o in objects if o["kind"] == "PersistentVolumeClaim"}
    bound = {o["spec"]["claimRef"]["name"] for o in objects if o["kind"] == "PersistentVolume"}
    asked = {
        load_manifest(JOBS[name])["spec"][part]["volume"]["persistentVolumeClaim"]["claimName"]
        for name in ("digits-b0", "cpu")
        for part in ("dataset", "output")
    }
    assert claims == bound == asked


RECIPES = {
    # Batch per NPU, updates and rate of Huawei's scripts for one card and for eight.
    "1p": (256, 1750000, 0.025, 128),
    "8p": (256, 218750, 0.2, 128),
    "8p-hostpath-driver": (256, 218750, 0.2, 128),
}


@pytest.mark.parametrize("name, want", RECIPES.items(), ids=RECIPES)
def test_the_examples_train_as_the_scripts_they_replace(name, want):
    training = load_manifest(JOBS[name])["spec"]["training"]
    rate = training["learningRate"]
    assert rate["scaling"] == "Absolute"
    found = (training["batchSizePerNpu"], training["trainSteps"], rate["base"])
    assert (*found, training["evalBatchSize"]) == want
