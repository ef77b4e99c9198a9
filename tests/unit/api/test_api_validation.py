"""Manifests are refused without a cluster; tests/api/crd holds the words to a real server."""

import copy

import pytest
from efficientnet_operator.api.fielderrors import NOT_CHECKED
from efficientnet_operator.api.validation import validate

MANIFEST = {
    "apiVersion": "efficientnet.dev/v1alpha1",
    "kind": "EfficientNetJob",
    "metadata": {"name": "b0"},
    "spec": {
        "npus": 12,
        "npusPerPod": 4,
        "image": "i",
        "dataset": {"path": "/d"},
        "output": {"path": "/o"},
    },
}


def changed(spec=None, **fields):
    manifest = copy.deepcopy(MANIFEST)
    manifest["spec"].update(spec or {})
    manifest.update(fields)
    return manifest


def test_a_good_manifest_passes_and_stays_as_it_is():
    manifest = changed()
    assert validate(manifest) == []
    assert manifest == MANIFEST


WORDS = {
    "a relation between fields, with the way out": (
        changed({"npusPerPod": 8}),
        [
            "spec.npus: Invalid value: spec.npus is 12, not a multiple of spec.npusPerPod 8;"
            " use 8 or 16"
        ],
    ),
    "a misspelt field": (
        changed({"npuss": 1}),
        ['strict decoding error: unknown field "spec.npuss"'],
    ),
    "a fault that hides the rules": (
        changed({"accelerator": "GPU", "npusPerPod": 8}),
        [
            'spec.accelerator: Unsupported value: "GPU": supported values: "Ascend910",'
            ' "Ascend910B", "CPU"',
            NOT_CHECKED,
        ],
    ),
    "a range, which hides no rule": (
        changed({"npus": 0, "training": {"trainSteps": 1, "epochs": 2}}),
        [
            "spec.npus: Invalid value: 0: spec.npus in body should be greater than or equal to 1",
            "spec.training.epochs: Invalid value: spec.training.trainSteps is 1 and"
            " spec.training.epochs is 2, but one follows from the other; remove one of them",
        ],
    ),
    "a batch that does not split": (
        changed({"training": {"batchSizePerNpu": 6, "gradientAccumulationSteps": 4}}),
        [
            "spec.training.gradientAccumulationSteps: Invalid value:"
            " spec.training.gradientAccumulationSteps is 4, which does not divide"
            " spec.training.batchSizePerNpu 6; use a divisor, such as 2"
        ],
    ),
    "another kind": (
        changed(kind="TFJob"),
        [
            'no matches for kind "TFJob" in version "efficientnet.dev/v1alpha1"; use kind'
            " EfficientNetJob of efficientnet.dev/v1alpha1"
        ],
    ),
    "no kind": (changed(kind=None), ["error validating data: kind not set"]),
    "no number": (
        changed({"npus": float("nan")}),
        ["error converting YAML to JSON: json: unsupported value: NaN"],
    ),
    "a name to be generated is long enough already": (
        changed(metadata={"generateName": "a" * 36}),
        [
            f"metadata.name: Invalid value: metadata.name is {'a' * 36}00000, with which the names"
            " of the job's pods cannot begin; use at most 40 lower-case letters, digits and"
            " hyphens, a letter first and no hyphen last"
        ],
    ),
}


@pytest.mark.parametrize("manifest, want", WORDS.values(), ids=WORDS)
def test_words(manifest, want):
    assert validate(manifest) == want


def test_a_whole_float_is_an_integer_as_kubectl_sends_it():
    assert validate(changed({"npus": 12.0})) == []
