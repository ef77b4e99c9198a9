"""Weights of another run: what is taken, what is left out, and that all of it is told."""

import json
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.architecture import architecture
from efficientnet_trainer.backend import Rank, session_config
from efficientnet_trainer.errors import ConfigError, DataError
from efficientnet_trainer.model import build_logits
from efficientnet_trainer.optimizer import averaged_variables, moving_average
from efficientnet_trainer.restore import Source, leave_report, restore_weights

KERNEL = "efficientnet-b0/head/dense/kernel"
STEM = "efficientnet-b0/stem/conv2d/kernel"
AVERAGE = "/ExponentialMovingAverage"
NORM = ("gamma", "beta", "moving_mean", "moving_variance")


@pytest.fixture
def save(tmp_path):
    """Save variables by name, and leave the graph empty again."""

    def save_values(values):
        with tf.Graph().as_default(), tf.Session() as session:
            for name, value in values.items():
                tf.get_variable(name, initializer=np.float32(value))
            session.run(tf.global_variables_initializer())
            return tf.train.Saver().save(session, str(tmp_path / "model.ckpt-7"))

    return save_values


def build_and_restore(path, shape=2, **source):
    """Build two weights and their averages at 0, restore, and return what they start from."""
    for name in (KERNEL, STEM):
        tf.get_variable(name, [shape], initializer=tf.zeros_initializer())
    tf.train.ExponentialMovingAverage(0.9).apply(tf.trainable_variables())
    report = restore_weights(Source(path, **source))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        values = {v.op.name: session.run(v).tolist() for v in tf.global_variables()}
    return report, values


SOURCES = {
    # source, what the kernel starts from, what the stem and its average start from
    "averages, where there are any": ("ema", [1, 2], [5, 6]),
    "the weights themselves": ("raw", [1, 2], [3, 4]),
}


@pytest.mark.parametrize("weights, kernel, stem", SOURCES.values(), ids=SOURCES)
def test_weights_and_averages_start_alike(weights, kernel, stem, save):
    path = save({KERNEL: [1, 2], STEM: [3, 4], STEM + AVERAGE: [5, 6], "other": [7]})
    report, values = build_and_restore(path, weights=weights)
    assert values == {
        KERNEL: kernel,
        KERNEL + AVERAGE: kernel,
        STEM: stem,
        STEM + AVERAGE: stem,
    }
    left = STEM if weights == "ema" else STEM + AVERAGE
    assert report.unused == {
        left: "not the source that --restore_weights names",
        "other": "no variable of this model",
    }
    assert report.unexplained() == ["other"]


@pytest.mark.parametrize("prefix", ["efficientnet-b0/head/", "efficientnet-b0/model/head/dense/"])
def test_what_is_excluded_keeps_its_initial_value(save, prefix):
    path = save({KERNEL: [1, 2, 3], STEM: [3, 4]})
    report, values = build_and_restore(path, exclude=[prefix])
    assert report.restored == {STEM: STEM}
    assert report.initial == {KERNEL: "excluded by --restore_exclude"}
    assert report.unused == {KERNEL: "excluded by --restore_exclude"}
    assert values[KERNEL] == values[KERNEL + AVERAGE] == [0, 0]


def test_a_variable_that_is_not_there_is_told(save, tmp_path):
    report, values = build_and_restore(save({STEM: [3, 4]}))
    assert report.initial == {KERNEL: "not in the checkpoint"}
    assert values[KERNEL] == [0, 0]
    leave_report(report, str(tmp_path / "out"))
    told = json.loads((tmp_path / "out" / "restored.json").read_text())
    assert told == {
        "checkpoint": str(tmp_path / "model.ckpt-7"),
        "weights": "ema",
        "restored": {STEM: STEM},
        "initial": {KERNEL: "not in the checkpoint"},
        "unused": {},
    }


def test_a_directory_means_its_newest_checkpoint(save):
    report, _ = build_and_restore(os.path.dirname(save({STEM: [3, 4]})))
    assert report.checkpoint.endswith("model.ckpt-7")


REFUSED = {
    "nothing to restore": (
        {"resnet/kernel": [1.0]},
        {},
        ConfigError,
        r"restores nothing: none of its 1 variables, such as resnet/kernel,",
    ),
    "everything excluded": (
        {STEM: [1.0, 2.0]},
        {"exclude": ["efficientnet-b0/"]},
        ConfigError,
        r"exclude less with --restore_exclude",
    ),
    "another shape": (
        {KERNEL: [1, 2, 3]},
        {},
        ConfigError,
        r"has shape \[3\] there and \[2\] .* --restore_exclude=efficientnet-b0/head/dense/",
    ),
    "an exclusion that names nothing": (
        {STEM: [1.0, 2.0]},
        {"exclude": ["efficientnet-b0/haed/"]},
        ConfigError,
        r"--restore_exclude=efficientnet-b0/haed/ names no variable",
    ),
}


@pytest.mark.parametrize("values, source, error, message", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_meant_is_refused(values, source, error, message, save):
    with pytest.raises(error, match=message):
        build_and_restore(save(values), **source)


def test_no_checkpoint_is_bad_data(tmp_path):
    with pytest.raises(DataError, match="no checkpoint at"):
        build_and_restore(str(tmp_path / "none"))


def expand(lines):
    """Return the shapes that a file of the contract stands for, by the variables' names."""
    shapes = {}
    for line in lines[1:]:
        scopes, sizes = line.split(": ")
        first, _, last = scopes.partition("..")
        if last:
            stem, _, number = first.rpartition("_")
            names = [f"{stem}_{n}" for n in range(int(number), int(last) + 1)]
        else:
            names = [first]
        for scope in names:
            for inner, size in (item.split("=") for item in sizes.split()):
                is_norm = inner.startswith("tpu_batch_normalization")
                for name in [f"{inner}/{part}" for part in NORM] if is_norm else [inner]:
                    shapes[f"efficientnet-b0/{scope}/{name}"] = [int(n) for n in size.split("x")]
    return shapes


def test_a_public_checkpoint_of_b0_loads_whole(tmp_path, read_contract):
    """A checkpoint with the published names, by a graph that shares no code with ours."""
    shapes = expand(read_contract("efficientnet-b0"))
    assert len(shapes) == 311
    plain = session_config(Rank(0, 1, 1))
    with tf.Graph().as_default(), tf.Session(config=plain) as session:
        values = {}
        for index, (name, shape) in enumerate(sorted(shapes.items())):
            values[name] = index
            tf.get_variable(name + AVERAGE, initializer=tf.fill(shape, float(index)))
            tf.get_variable(name, initializer=tf.fill(shape, -1.0))
            if not name.endswith(("moving_mean", "moving_variance")):
                for slot in ("RMSProp", "RMSProp_1"):
                    tf.get_variable(f"{name}/{slot}", initializer=tf.fill(shape, -2.0))
        tf.train.get_or_create_global_step()
        session.run(tf.global_variables_initializer())
        path = tf.train.Saver().save(session, str(tmp_path / "model.ckpt-218750"))

    build_logits(tf.zeros([1, 32, 32, 3]), architecture("efficientnet-b0"), False, 1000)
    moving_average(0.9999).apply(averaged_variables())
    report = restore_weights(Source(path))
    assert report.unexplained() == []
    assert report.initial == {}
    assert len(report.restored) == 311
    assert len(report.unused) == 311 + 2 * 213 + 1
    with tf.Session(config=plain) as session:
        session.run(tf.global_variables_initializer())
        found = session.run({v.op.name: v for v in tf.global_variables()})
    for name, value in values.items():
        assert found[name].shape == tuple(shapes[name])
        assert (found[name] == value).all(), name
        assert (found[name + AVERAGE] == value).all(), name
