"""The API server's words against bad manifests are those that ``validate`` says offline.

Each manifest goes to the server as a dry run; only the framing is taken off.
"""

import pytest
from efficientnet_operator.api.parsing import parse_job
from efficientnet_operator.api.validation import validate

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
    "no image": {"spec.image": ...},
    "an empty image": {"spec.image": ""},
    "an overlong image": {"spec.image": "x" * 1025},
    "no data set": {"spec.dataset": ..., "spec.output": {}},
    "no spec": {"spec": ...},
    "a list for the spec": {"spec": []},
    "a misspelt field": {"spec.npuss": 8, "spec.training.lr": 1, "extra": 1},
    "a misspelt field of metadata": {"metadata.label": {}, "extra": 1},
    "a misspelt field of the status": {"status": {"fase": "Done"}},
    "a misspelt kind of volume": {"spec.output.volume": {"persistantVolumeClaim": {}}},
    "a name in podTemplate": {"spec.podTemplate": {"metadata": {"name": "x"}}},
    "a learning rate of zero": {"spec.training.learningRate.base": 0},
    "a negative weight decay": {"spec.training.weightDecay": -1.5e-7},
    "smoothing above one": {"spec.training.labelSmoothing": 1.25},
    "bounds that no value may reach": {
        "spec.training.labelSmoothing": 1,
        "spec.model.dropoutRate": 1.0,
        "spec.model.batchNormMomentum": 0,
    },
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
    "no metadata": {"metadata": ...},
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
    "a batch that does not split": {
        "spec.training.batchSizePerNpu": 6,
        "spec.training.gradientAccumulationSteps": 4,
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
    manifest = jobs.build(changes)
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
    manifest = jobs.build(changes)
    assert validate(manifest) == []
    stored = jobs.create(manifest, dry_run=True)
    offline = parse_job(manifest).spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert offline == without_nulls(stored["spec"])


def without_nulls(value):
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value
