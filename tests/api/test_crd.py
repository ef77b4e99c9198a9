"""The CRD on a real API server: accepted, and refusing with the words that we print offline.

Each bad manifest goes to the server as a dry run and to ``validate``; both
must say the same.  Only the server's framing is taken off.
"""

import copy
import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from efficientnet_operator.api import parse_job
from efficientnet_operator.api.validation import validate
from kubernetes import client, config

GROUP, VERSION, PLURAL = "efficientnet.dev", "v1alpha1", "efficientnetjobs"
CRD_FILE = Path(__file__).parents[2] / "deploy/crd/efficientnetjobs.yaml"
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
ABSENT = object()


def job(changes: dict[str, Any]) -> dict[str, Any]:
    """Return the minimal job with the values at dotted paths replaced, or ABSENT ones removed."""
    manifest = copy.deepcopy(MINIMAL)
    for path, value in changes.items():
        *parents, last = path.split(".")
        node = manifest
        for name in parents:
            node = node.setdefault(name, {})
        if value is ABSENT:
            del node[last]
        else:
            node[last] = value
    return manifest


class Jobs:
    """The jobs of one namespace on a real API server."""

    def __init__(self, api: client.CustomObjectsApi, namespace: str) -> None:
        self._api = api
        self._where = (GROUP, VERSION, namespace, PLURAL)

    def create(self, manifest, *, dry_run=False):
        options = {"dry_run": "All"} if dry_run else {}
        return self._api.create_namespaced_custom_object(
            *self._where, manifest, field_validation="Strict", **options
        )

    def patch(self, name, spec):
        return self._api.patch_namespaced_custom_object(*self._where, name, {"spec": spec})

    def patch_status(self, name, status):
        return self._api.patch_namespaced_custom_object_status(
            *self._where, name, {"status": status}
        )

    def words_against(self, manifest):
        """Return what the server says against creating a manifest, sorted and unframed."""
        try:
            self.create(manifest, dry_run=True)
        except client.ApiException as error:
            return words(error)
        return []


def words(error: client.ApiException) -> list[str]:
    status = json.loads(error.body)
    causes = status.get("details", {}).get("causes")
    if causes:
        return sorted({f"{cause['field']}: {cause['message']}" for cause in causes})
    return [status["message"].partition("cannot be handled as a EfficientNetJob: ")[2]]


@pytest.fixture(scope="module")
def cluster(control_plane):
    control_plane.kubectl("apply", "--server-side", "-f", str(CRD_FILE))
    control_plane.kubectl("wait", "--for=condition=Established", "-f", str(CRD_FILE))
    control_plane.kubectl("create", "namespace", "crd-tests")
    return control_plane


@pytest.fixture(scope="module")
def jobs(cluster):
    with config.new_client_from_config(config_file=str(cluster.kubeconfig)) as api_client:
        jobs = Jobs(client.CustomObjectsApi(api_client), "crd-tests")
        wait_until_served(jobs)
        yield jobs


def wait_until_served(jobs, deadline_s=10):
    """A CRD is Established a moment before its resource answers."""
    ends = time.monotonic() + deadline_s
    while True:
        try:
            return jobs.create(MINIMAL, dry_run=True)
        except client.ApiException as error:
            if error.status != 404 or time.monotonic() > ends:
                raise
        time.sleep(0.1)


def test_the_server_finds_no_fault_with_the_crd(cluster):
    crd = cluster.kubectl.get("crd", f"{PLURAL}.{GROUP}")
    conditions = {entry["type"]: entry["status"] for entry in crd["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}


BAD = {
    "text for a number": {"spec.npus": "8"},
    "a fraction for an integer": {"spec.npus": 8.5},
    "a number beyond 64 bits": {"spec.npus": 10**19},
    "a huge float": {"spec.training.lossScale": 1.5e21},
    "no NPUs": {"spec.npus": 0},
    "more NPUs than one ConfigMap holds": {"spec.npus": 8193},
    "null where a value is required": {"spec.npus": None},
    "three NPUs in a pod": {"spec.npusPerPod": 3},
    "a list for a number": {"spec.npusPerPod": [1]},
    "a boolean for a number": {"spec.npusPerPod": True},
    "an unknown accelerator": {"spec.accelerator": 'GPU "<\n>"'},
    "a number for an enumeration": {"spec.accelerator": 910},
    "no image": {"spec.image": ABSENT},
    "an empty image": {"spec.image": ""},
    "an overlong image": {"spec.image": "x" * 1025},
    "no data set": {"spec.dataset": ABSENT, "spec.output": {}},
    "no spec": {"spec": ABSENT},
    "a list for the spec": {"spec": []},
    "a misspelt field": {"spec.npuss": 8, "spec.training.lr": 1, "extra": 1},
    "a misspelt field of metadata": {"metadata.label": {}, "extra": 1},
    "a misspelt field of the status": {"status": {"fase": "Done"}},
    "a misspelt kind of volume": {"spec.output.volume": {"persistantVolumeClaim": {}}},
    "a name in podTemplate": {"spec.podTemplate": {"metadata": {"name": "x"}}},
    "a learning rate of zero": {"spec.training.learningRate.base": 0},
    "a negative weight decay": {"spec.training.weightDecay": -1.5e-7},
    "smoothing above one": {"spec.training.labelSmoothing": 1.25},
    "text for a boolean": {"spec.training.augmentation.cropAndFlip": "yes"},
    "an extra argument without dashes": {"spec.training.extraArgs": ["--a", "b=1"]},
    "null in a list": {"spec.training.extraArgs": [None, 3, []]},
    "too many extra arguments": {"spec.training.extraArgs": ["--a"] * 65},
    "a volume of no kind": {"spec.output.volume": {}},
    "a volume of two kinds": {"spec.output.volume": {"nfs": {}, "hostPath": {}}},
    "no exit codes": {
        "spec.runPolicy.failurePolicy.rules": [
            {"action": "FailJob", "onExitCodes": {"operator": "In", "values": []}},
            {"action": "Explode", "onReasons": ["A"]},
            {"onReasons": []},
        ]
    },
    "exit codes out of range": {
        "spec.runPolicy.failurePolicy.rules": [
            {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [0, 256]}}
        ]
    },
    "a manager without a domain": {"spec.runPolicy.managedBy": "me"},
    "too many labels for the pods": {
        "spec.podTemplate": {"metadata": {"labels": {f"l{i}": "" for i in range(257)}}}
    },
    "a name with a capital": {"metadata.name": "My_Job"},
    "a name with a dot": {"metadata.name": "my.job"},
    "a name that begins with a digit": {"metadata.name": "8p"},
    "a name with a line break": {"metadata.name": "job\n"},
    "a name of 41 characters": {"metadata.name": "a" * 41},
    "a name of 300 characters": {"metadata.name": "a" * 300},
    "no name": {"metadata": {}},
    "no metadata": {"metadata": ABSENT},
    "a list for metadata": {"metadata": []},
    "a number for a name": {"metadata.name": 5, "spec.npuss": 1},
    "a number for a label": {"metadata.labels": {"team": 5}},
    "a list for the annotations": {"metadata.annotations": ["a"], "metadata.name": True},
    "labels out of form": {
        "metadata.labels": {"a b": "x y", "a/b/c": "-", "/x": "", "": "", "A.b/c": "z" * 64}
    },
    "annotations out of form": {"metadata.annotations": {"a b": "1", "Big/Key": "1"}},
    "annotations too big": {"metadata.annotations": {"a": "x" * 262144}},
    "NPUs that do not fill the pods": {"spec.npus": 12, "spec.npusPerPod": 8},
    "fewer NPUs than one pod has": {"spec.npus": 4, "spec.npusPerPod": 8},
    "NPUs that do not fill the hosts": {"spec.npus": 6, "spec.scheduling.npusPerHost": 4},
    "a host smaller than a pod": {
        "spec.npus": 8,
        "spec.npusPerPod": 4,
        "spec.scheduling.npusPerHost": 2,
    },
    "hosts for CPU pods": {"spec.accelerator": "CPU", "spec.scheduling.npusPerHost": 1},
    "a topology in a legacy table": {
        "spec.rankTable.version": "Legacy",
        "spec.scheduling.topologyKey": "example.com/rack",
    },
    "steps and epochs": {"spec.training.trainSteps": 300, "spec.training.epochs": 3},
    "a queue without Volcano": {"spec.scheduling.queue": "team-a"},
    "two volumes at one path": {
        "spec.dataset": {"path": "/x", "volume": {"nfs": {}}},
        "spec.output": {"path": "/x", "volume": {"nfs": {}}},
    },
    "volumes at relative paths": {
        "spec.dataset": {"path": "data", "volume": {"nfs": {}}},
        "spec.output": {"path": "o\nut", "volume": {"nfs": {}}},
    },
    "an output that two pods do not share": {
        "spec.npus": 2,
        "spec.output.volume": {"emptyDir": {}},
    },
    "a failure rule without a condition": {
        "spec.runPolicy.failurePolicy.rules": [{"action": "Restart"}]
    },
    "out of range and against a rule": {
        "spec.npus": 0,
        "spec.training": {"trainSteps": 1, "epochs": 1},
    },
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD)
def test_refuses_with_the_words_of_validate(jobs, changes):
    manifest = job(changes)
    found = jobs.words_against(manifest)
    assert found
    assert sorted(validate(manifest)) == found


GOOD = {
    "the least": {},
    "whole servers": {"spec.npus": 64, "spec.npusPerPod": 8, "spec.scheduling.npusPerHost": 8},
    "nulls, which count as absent": {
        "spec.training": None,
        "spec.transferLearning": None,
        "spec.scheduling": {"queue": None, "gang": None},
        "spec.podTemplate": {"metadata": {"labels": {"a": None}}, "spec": None},
        "metadata.labels": None,
    },
    "fields of the pod that only the server knows": {
        "spec.podTemplate": {"spec": {"hostNetwork": True, "anything": [{"a": 1}]}}
    },
    "a failure policy": {
        "spec.runPolicy.failurePolicy.rules": [
            {"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [75]}}
        ]
    },
    "a status, which creation drops": {"status": {"phase": 3}},
    "Volcano": {"spec.scheduling": {"gang": "Volcano", "queue": "team-a"}},
}


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD)
def test_defaults_are_the_same_offline(jobs, changes):
    manifest = job(changes)
    assert validate(manifest) == []
    stored = jobs.create(manifest, dry_run=True)
    offline = parse_job(manifest).spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert offline == without_nulls(stored["spec"])


def without_nulls(value):
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


FIXED = "once the job exists, only spec.runPolicy can; delete the job and create it again"
FORBIDDEN = {
    "one NPU more": (
        {"npus": 2},
        f"spec.npus: Forbidden: spec.npus cannot change from 1 to 2 {FIXED}",
    ),
    "another image": (
        {"image": "trainer:2"},
        "spec.image: Forbidden: spec.image cannot change from trainer:1 to trainer:2 " + FIXED,
    ),
    "a nested value": (
        {"training": {"momentum": 0.8}},
        f"spec.training: Forbidden: spec.training cannot change {FIXED}",
    ),
    "an optional value that comes": (
        {"scheduling": {"npusPerHost": 1}},
        f"spec.scheduling: Forbidden: spec.scheduling cannot change {FIXED}",
    ),
    "an optional object that comes": (
        {"transferLearning": {"restorePath": "/w"}},
        f"spec.transferLearning: Forbidden: spec.transferLearning cannot change {FIXED}",
    ),
    "a volume that comes": (
        {"output": {"volume": {"nfs": {"server": "a", "path": "/"}}}},
        f"spec.output: Forbidden: spec.output cannot change {FIXED}",
    ),
    "another volume": (
        {"dataset": {"volume": {"nfs": None, "hostPath": {"path": "/x"}}}},
        f"spec.dataset: Forbidden: spec.dataset cannot change {FIXED}",
    ),
    "a pod template": (
        {"podTemplate": {"spec": {"hostNetwork": True}}},
        f"spec.podTemplate: Forbidden: spec.podTemplate cannot change {FIXED}",
    ),
    "another manager": (
        {"runPolicy": {"managedBy": "kueue.x-k8s.io/multikueue"}},
        "spec.runPolicy.managedBy: Forbidden: spec.runPolicy.managedBy cannot change from"
        " efficientnet.dev/operator to kueue.x-k8s.io/multikueue once the job exists; delete the"
        " job and create it again",
    ),
}


@pytest.fixture(scope="module")
def stored(jobs):
    manifest = job({"metadata.name": "stored"})
    manifest["spec"]["dataset"]["volume"] = {"nfs": {"server": "a", "path": "/"}}
    jobs.create(manifest)
    return "stored"


@pytest.mark.parametrize("change, want", FORBIDDEN.values(), ids=FORBIDDEN)
def test_what_a_job_is_cannot_change(jobs, stored, change, want):
    with pytest.raises(client.ApiException) as refused:
        jobs.patch(stored, change)
    assert words(refused.value) == [want]


def test_an_optional_object_cannot_be_removed(jobs):
    jobs.create(job({"metadata.name": "pretrained", "spec.transferLearning.restorePath": "/w"}))
    with pytest.raises(client.ApiException) as refused:
        jobs.patch("pretrained", {"transferLearning": None})
    assert words(refused.value) == [
        f"spec.transferLearning: Forbidden: spec.transferLearning cannot change {FIXED}"
    ]


MUTABLE = {
    "suspend": {"suspend": True},
    "a deadline that comes": {"activeDeadlineSeconds": 60},
    "a deadline that goes": {"activeDeadlineSeconds": None},
    "a failure rule": {
        "failurePolicy": {"rules": [{"action": "FailJob", "onReasons": ["OOMKilled"]}]}
    },
}


@pytest.mark.parametrize("change", MUTABLE.values(), ids=MUTABLE)
def test_how_a_job_runs_can_change(jobs, stored, change):
    spec = jobs.patch(stored, {"runPolicy": change})["spec"]
    assert {name: spec["runPolicy"].get(name) for name in change} == change


def test_explain_tells_meaning_default_and_range(cluster, jobs, tmp_path):
    # A cache of its own: the one of the fixture is older than the CRD.
    fresh = f"--cache-dir={tmp_path}"
    text = " ".join(cluster.kubectl("explain", "enj.spec.training.learningRate", fresh).split())
    assert (
        "base <number> Learning rate per update, before scaling. Default: 0.016."
        " Range: above 0 to 1000." in text
    )
    assert "scaling <string> enum: LinearPer256, Absolute" in text


def test_every_field_is_described(cluster, jobs):
    crd = yaml.safe_load(CRD_FILE.read_text())
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    bare = [path for part in ("spec", "status") for path in undescribed(spec[part], part)]
    assert bare == []


def undescribed(schema, path):
    if "description" not in schema:
        yield path
    for name, child in schema.get("properties", {}).items():
        yield from undescribed(child, f"{path}.{name}")
    if schema.get("items", {}).get("type") == "object":
        yield from undescribed(schema["items"], f"{path}[]")


def test_get_shows_progress_in_columns(cluster, jobs):
    jobs.create(job({"metadata.name": "digits-b0", "spec.npus": 4}))
    progress = {"step": 120, "imagesPerSecond": 148.2, "loss": 0.8127, "top1": 0.987}
    jobs.patch_status("digits-b0", {"phase": "Running", "restarts": 1, "progress": progress})
    header, row = cluster.kubectl("-n", "crd-tests", "get", "enj", "digits-b0").splitlines()
    assert header.split() == (
        ["NAME", "PHASE", "NPUS", "STEP", "IMAGES/S", "LOSS", "TOP-1", "RESTARTS", "AGE"]
    )
    assert row.split()[:-1] == [
        "digits-b0",
        "Running",
        "4",
        "120",
        "148.2",
        "0.8127",
        "0.987",
        "1",
    ]


def test_get_all_includes_jobs(cluster, jobs, stored):
    assert f"efficientnetjob.{GROUP}/{stored}" in cluster.kubectl(
        "-n", "crd-tests", "get", "all", "-o", "name"
    )
