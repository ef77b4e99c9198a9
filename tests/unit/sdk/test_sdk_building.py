"""Jobs built from arguments are manifests that the API server takes, or faults in its words."""

import pytest
from efficientnet_operator.api.parsing import parse_job
from efficientnet_operator.api.training import Training
from efficientnet_operator.api.validation import validate
from efficientnet_operator.sdk import InvalidJobError, build_job

BASE = {"image": "trainer:1", "dataset": "/data", "output": "/output"}
CLAIM = {"persistentVolumeClaim": {"claimName": "imagenet"}}

SPECS = {
    "the least": ({}, {"npus": 1}),
    "names as in Python": (
        {"npus": 8, "npus_per_pod": 8, "run_policy": {"backoff_limit": 0}},
        {"npus": 8, "npusPerPod": 8, "runPolicy": {"backoffLimit": 0}},
    ),
    "names as in a manifest": (
        {"runPolicy": {"cleanPodPolicy": "None"}},
        {"npus": 1, "runPolicy": {"cleanPodPolicy": "None"}},
    ),
    "a model gives what was set of it": (
        {"training": Training(epochs=3, batch_size_per_npu=16)},
        {"npus": 1, "training": {"epochs": 3, "batchSizePerNpu": 16}},
    ),
    "lists of objects": (
        {"run_policy": {"failure_policy": {"rules": [
            {"action": "FailJob", "on_reasons": ["OOMKilled"]}]}}},
        {"npus": 1, "runPolicy": {"failurePolicy": {"rules": [
            {"action": "FailJob", "onReasons": ["OOMKilled"]}]}}},
    ),
    "what is Kubernetes' own keeps its names": (
        {"pod_template": {"metadata": {"labels": {"my_label": "x"}},
                          "spec": {"containers": [{"name": "trainer", "npus_per_pod": 1}]}}},
        {"npus": 1, "podTemplate": {
            "metadata": {"labels": {"my_label": "x"}},
            "spec": {"containers": [{"name": "trainer", "npus_per_pod": 1}]}}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("arguments, want", SPECS.values(), ids=SPECS)
def test_specs(arguments, want):
    spec = build_job("b0", **BASE, **arguments)["spec"]
    folders = {"image": "trainer:1", "dataset": {"path": "/data"}, "output": {"path": "/output"}}
    assert spec == {**folders, **want}


def test_whole_data_sets_labels_and_namespace():
    dataset = {"path": "/data", "volume": CLAIM, "num_train_images": 1437}
    labels = {"kueue.x-k8s.io/queue-name": "team-a"}
    job = build_job("b0", **{**BASE, "dataset": dataset}, labels=labels, namespace="team")
    assert job["spec"]["dataset"] == {"path": "/data", "volume": CLAIM, "numTrainImages": 1437}
    assert job["metadata"] == {"name": "b0", "namespace": "team", "labels": labels}
    assert parse_job(job).spec.dataset.num_train_images == 1437


WRONG = {
    "a value out of range": ({"npus": 0}, "spec.npus"),
    "a field that there is not": ({"learning_rate": 1}, 'unknown field "spec.learning_rate"'),
    "a relation": ({"training": {"epochs": 1, "train_steps": 1}}, "spec.training"),
    "a wrong type": ({"npus": "eight"}, "must be of type integer"),
}


@pytest.mark.parametrize("arguments, words", WRONG.values(), ids=WRONG)
def test_faults_are_named_in_the_words_of_the_server(arguments, words):
    with pytest.raises(InvalidJobError) as refused:
        build_job("b0", **BASE, **arguments)
    head, *faults = str(refused.value).splitlines()
    assert head == 'The EfficientNetJob "b0" is invalid:'
    assert any(words in fault for fault in faults)


def test_all_faults_are_named_at_once():
    with pytest.raises(InvalidJobError) as refused:
        build_job("B0", **BASE, npus=0, accelerator="TPU")
    assert len(str(refused.value).splitlines()) > 2


def test_what_was_built_is_valid():
    assert validate(build_job("b0", **BASE)) == []
