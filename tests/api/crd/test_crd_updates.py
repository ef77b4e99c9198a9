"""What of a job can change once it exists: how it runs, never what it is."""

import pytest
from kubernetes import client

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
    manifest = jobs.build({"metadata.name": "stored"})
    manifest["spec"]["dataset"]["volume"] = {"nfs": {"server": "a", "path": "/"}}
    jobs.create(manifest)
    return "stored"


@pytest.mark.parametrize("change, want", FORBIDDEN.values(), ids=FORBIDDEN)
def test_what_a_job_is_cannot_change(jobs, stored, change, want):
    with pytest.raises(client.ApiException) as refused:
        jobs.patch(stored, change)
    assert jobs.words(refused.value) == [want]


def test_an_optional_object_cannot_be_removed(jobs):
    jobs.create(
        jobs.build({"metadata.name": "pretrained", "spec.transferLearning.restorePath": "/w"})
    )
    with pytest.raises(client.ApiException) as refused:
        jobs.patch("pretrained", {"transferLearning": None})
    assert jobs.words(refused.value) == [
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
