"""Jobs are read leniently, and their spec does its own arithmetic."""

import datetime as dt

import pydantic
import pytest
from efficientnet_operator.api.parsing import parse_job
from efficientnet_operator.api.status import Condition, EfficientNetJobStatus, Progress

SPEC = {"npus": 8, "image": "i", "dataset": {"path": "/d"}, "output": {"path": "/o"}}


def spec(**changes):
    return parse_job({"metadata": {"name": "b0"}, "spec": {**SPEC, **changes}}).spec


def test_fields_are_snake_case_in_python_and_camel_case_in_json():
    found = spec(training={"learningRate": {"warmupEpochs": 2}})
    assert found.training.learning_rate.warmup_epochs == 2
    assert found.model_dump(by_alias=True)["training"]["learningRate"]["warmupEpochs"] == 2


LENIENT = {
    "unknown fields": {"spec": {**SPEC, "newField": 1, "model": {"other": 2}}, "extra": 3},
    "nulls": {"spec": {**SPEC, "training": None, "scheduling": {"gang": None}}, "status": None},
    "a status that was never stored": {"spec": SPEC, "status": {"phase": 5}},
    "no metadata": {"spec": SPEC},
    "null metadata": {"metadata": None, "spec": SPEC},
    "metadata of the server": {
        "metadata": {"name": "j", "uid": "u", "managedFields": [{}], "labels": None},
        "spec": SPEC,
        "status": {"newField": {}, "conditions": [{"type": "Created", "status": "True"}]},
    },
}


@pytest.mark.parametrize("manifest", LENIENT.values(), ids=LENIENT)
def test_parse_job_reads(manifest):
    assert parse_job(manifest).spec == spec()


def test_parse_job_refuses_what_the_crd_refuses():
    with pytest.raises(pydantic.ValidationError, match="npus"):
        spec(npus=0)


HOSTS = {
    "eight fit one host": ({"npus": 8}, 8),
    "twelve make three hosts of four": ({"npus": 12}, 4),
    "six make three hosts of two": ({"npus": 6}, 2),
    "three cannot share a host": ({"npus": 3}, 1),
    "asked for": ({"npus": 8, "scheduling": {"npusPerHost": 2}}, 2),
}


@pytest.mark.parametrize("changes, want", HOSTS.values(), ids=HOSTS)
def test_npus_per_host(changes, want):
    assert spec(**changes).npus_per_host == want


def test_replicas_are_pods():
    assert spec(npus=64, npusPerPod=8).replicas == 8


DIGITS = {"path": "/d", "numTrainImages": 1433}
STEPS = {
    "350 epochs of ImageNet on 8 NPUs": ({}, (218949, 625, 3125, 625)),
    "epochs of a small data set": (
        {"npus": 4, "dataset": DIGITS, "training": {"batchSizePerNpu": 16, "epochs": 10}},
        (223, 22, 110, 22),
    ),
    "steps win over epochs": (
        {"dataset": DIGITS, "training": {"trainSteps": 300, "batchSizePerNpu": 1}},
        (300, 179, 895, 179),
    ),
    "a batch larger than the data set": (
        {"dataset": {"path": "/d", "numTrainImages": 10}, "training": {"epochs": 1}},
        (1, 1, 5, 1),
    ),
    "intervals as asked for": (
        {"training": {"stepsPerEval": 7, "saveCheckpointsSteps": 3}},
        (218949, 625, 7, 3),
    ),
}


@pytest.mark.parametrize("changes, want", STEPS.values(), ids=STEPS)
def test_steps(changes, want):
    found = spec(**changes)
    assert want == (
        found.total_steps,
        found.steps_per_epoch,
        found.steps_per_eval,
        found.save_checkpoints_steps,
    )


def test_moments_are_whole_seconds_in_utc():
    zone = dt.timezone(dt.timedelta(hours=8))
    moment = dt.datetime(2026, 1, 1, 8, 0, 0, 999_999, tzinfo=zone)
    condition = Condition(type="Running", status="True", last_transition_time=moment)
    dumped = condition.model_dump(mode="json", by_alias=True)
    assert dumped["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    assert Condition.model_validate(dumped).last_transition_time == moment.replace(microsecond=0)


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(pydantic.ValidationError, match="timezone"):
        Progress(last_updated=dt.datetime(2026, 1, 1))


def test_a_status_is_dumped_without_what_is_unknown():
    status = EfficientNetJobStatus(phase="Running", progress=Progress(step=3))
    dumped = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert dumped["progress"] == {"step": 3}
    assert "failure" not in dumped


def test_models_do_not_change():
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        spec().npus = 9
