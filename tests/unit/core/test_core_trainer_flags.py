"""The flags that a job's spec becomes are flags that the trainer has."""

import ast
from pathlib import Path

import pytest
from core_builders import a_spec
from efficientnet_operator.core.trainer_flags import build_trainer_flags

TRAINER_CONFIG = Path(__file__).parents[3] / "trainer/src/efficientnet_trainer/config.py"


def flags(**spec):
    """Return name to value of the flags, in order."""
    return dict(f.removeprefix("--").split("=", 1) for f in build_trainer_flags(a_spec(**spec)))


def trainer_fields():
    """Return the trainer's flags and the words each takes, from its source: no shared package."""
    tree = ast.parse(TRAINER_CONFIG.read_text())
    config = next(n for n in tree.body if getattr(n, "name", "") == "TrainerConfig")
    fields = {}
    for node in config.body:
        if isinstance(node, ast.AnnAssign):
            words = {c.value for c in ast.walk(node.annotation) if isinstance(c, ast.Constant)}
            fields[node.target.id] = {w for w in words if isinstance(w, str)}
    return fields


EVERYTHING = {
    "transferLearning": {
        "restorePath": "/w/model.ckpt-1",
        "restoreExclude": ["a/", "b/"],
        "freeze": ["c/"],
    },
    "export": {"enabled": True, "numSteps": 7},
    "model": {
        "imageSize": 64,
        "dropoutRate": 0.1,
        "dropConnectRate": 0.1,
        "batchNormMomentum": 0.9,
    },
    "training": {
        "augmentation": {"autoAugment": "RandAugment", "mixupAlpha": 0.2, "cropAndFlip": False},
        "evalTimeoutSeconds": 60,
    },
}


def test_every_flag_is_one_of_the_trainers():
    assert set(flags(**EVERYTHING)) <= set(trainer_fields())


CHOICES = {
    "mode": [({"mode": m}) for m in ("Train", "TrainAndEval", "Eval", "Export")],
    "lr_scaling": [({"learningRate": {"scaling": s}}) for s in ("LinearPer256", "Absolute")],
    "lr_schedule": [
        ({"learningRate": {"schedule": s}})
        for s in ("Exponential", "Cosine", "Polynomial", "Constant")
    ],
    "optimizer": [({"optimizer": o}) for o in ("RMSProp", "SGD", "Momentum", "LARS")],
    "precision": [({"precision": p}) for p in ("Float32", "Mixed")],
    "loss_scaling": [({"lossScaling": s}) for s in ("Fixed", "Dynamic")],
    "autoaugment_name": [({"augmentation": {"autoAugment": a}}) for a in ("V0", "RandAugment")],
}


NOT_FOR_JOBS = {"predict"}
"""What a person does at a shell, with the files of a person."""


@pytest.mark.parametrize("name", CHOICES)
def test_each_choice_becomes_a_word_that_the_trainer_takes(name):
    words = {flags(training=t)[name] for t in CHOICES[name]}
    assert words == trainer_fields()[name] - NOT_FOR_JOBS


def test_sources_of_weights_are_the_trainers():
    specs = [{"transferLearning": {"restorePath": "/w", "weights": w}} for w in ("EMA", "Raw")]
    words = {flags(**spec)["restore_weights"] for spec in specs}
    assert words == trainer_fields()["restore_weights"]


def test_formats_of_export_are_the_trainers():
    formats = ["SavedModel", "GraphDef", "TFLite"]
    words = flags(export={"enabled": True, "formats": formats})["export_formats"].split(",")
    assert set(words) == trainer_fields()["export_formats"]


FLAGS = {
    "steps as asked for": ({}, {"train_steps": "300"}),
    "350 epochs of ImageNet": (
        {"training": {}, "dataset": {"path": "/d"}, "npus": 8},
        {"train_steps": "218949", "steps_per_eval": "3125", "save_checkpoints_steps": "625"},
    ),
    "batch per rank": ({"training": {"batchSizePerNpu": 16}}, {"train_batch_size": "16"}),
    "one batch an update": ({}, {"gradient_accumulation_steps": "1"}),
    "several batches an update": (
        {"training": {"batchSizePerNpu": 64, "gradientAccumulationSteps": 4}},
        {"train_batch_size": "64", "gradient_accumulation_steps": "4"},
    ),
    "mixup": ({"training": {"augmentation": {"mixupAlpha": 0.2}}}, {"mixup_alpha": "0.2"}),
    "truth values": (
        {"training": {"augmentation": {"cropAndFlip": False}}},
        {"crop_and_flip": "false"},
    ),
    "a small number": ({"training": {"weightDecay": 0.00001}}, {"weight_decay": "1e-05"}),
    "CPU computes in float32": ({"accelerator": "CPU"}, {"precision": "float32"}),
    "NPUs as asked for": ({}, {"precision": "mixed"}),
    "labels from 1": ({}, {"label_offset": "1"}),
    "labels from 0": ({"dataset": {"path": "/d", "labelOffset": 0}}, {"label_offset": "0"}),
    "a background class takes labels as they are": (
        {"model": {"numLabelClasses": 1001}},
        {"label_offset": "0"},
    ),
    "export beside the checkpoints": (
        {"export": {"enabled": True}, "output": {"path": "/out/"}},
        {"export_dir": "/out/export", "export_formats": "saved_model", "num_steps": "1000"},
    ),
    "mode Export exports without being enabled": (
        {"training": {"mode": "Export"}, "output": {"path": "/out"}},
        {"mode": "export", "export_dir": "/out/export"},
    ),
    "a wait for checkpoints": (
        {"training": {"mode": "Eval", "evalTimeoutSeconds": 600}},
        {"mode": "eval", "eval_timeout": "600"},
    ),
    "weights to start from": (
        {"transferLearning": {"restorePath": "/w", "restoreExclude": ["a", "b"]}},
        {"restore_path": "/w", "restore_exclude": "a,b", "restore_weights": "ema"},
    ),
    "what is not trained": (
        {"transferLearning": {"restorePath": "/w", "freeze": ["a/", "b/"]}},
        {"freeze": "a/,b/"},
    ),
}


@pytest.mark.parametrize("spec, want", FLAGS.values(), ids=FLAGS)
def test_flags(spec, want):
    assert flags(**spec).items() >= want.items()


UNSET = {
    "the model's own": ({}, {"input_image_size", "dropout_rate", "batch_norm_momentum"}),
    "no augmentation": ({}, {"autoaugment_name", "mixup_alpha"}),
    "no weights to start from": ({}, {"restore_path", "restore_exclude"}),
    "no exceptions": (
        {"transferLearning": {"restorePath": "/w"}},
        {"restore_exclude", "freeze"},
    ),
    "no export": ({}, {"export_dir", "export_formats", "num_steps"}),
    "no wait": ({}, {"eval_timeout"}),
}


@pytest.mark.parametrize("spec, names", UNSET.values(), ids=UNSET)
def test_what_is_unset_is_not_passed(spec, names):
    assert not names & set(flags(**spec))


def test_extra_arguments_come_last_and_so_win():
    extra = ["--log_steps=1", "--train_steps=5"]
    found = build_trainer_flags(a_spec(training={"extraArgs": extra}))
    assert found[-2:] == extra
