"""Where a run starts: its own checkpoint, another run's weights, or nothing."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.errors import ConfigError, DataError
from efficientnet_trainer.restore import restore_weights
from efficientnet_trainer.resume import ResumePoint, find_resume_point, resume_from_other


@pytest.fixture
def save(tmp_path):
    """Save variables by name, and leave the graph empty again."""

    def save_values(values, step=7):
        with tf.Graph().as_default(), tf.Session() as session:
            for name, value in values.items():
                tf.get_variable(name, initializer=np.float32(value))
            tf.train.get_or_create_global_step()
            session.run(tf.global_variables_initializer())
            session.run(tf.assign(tf.train.get_global_step(), step))
            return tf.train.Saver().save(session, str(tmp_path / "model.ckpt"), global_step=step)

    return save_values


def test_an_empty_folder_has_nothing_to_resume(tmp_path):
    assert find_resume_point(str(tmp_path)) is None


def test_the_newest_checkpoint_is_resumed(tmp_path, save):
    assert find_resume_point(os.path.dirname(save({"w": [1.0, 2.0]}))) == ResumePoint(
        str(tmp_path / "model.ckpt-7"), 7
    )


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


DAMAGES = {
    "a byte of the weights is wrong": lambda f: flip_a_byte(
        f / "model.ckpt-7.data-00000-of-00001"
    ),
    "the weights are cut off": lambda f: os.truncate(
        str(f / "model.ckpt-7.data-00000-of-00001"), 100
    ),
    "the index is cut off": lambda f: os.truncate(str(f / "model.ckpt-7.index"), 10),
    "the index is gone": lambda f: (f / "model.ckpt-7.index").unlink(),
    "the weights are gone": lambda f: (f / "model.ckpt-7.data-00000-of-00001").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_named(tmp_path, save, damage):
    save({"w": np.ones(1000)})
    damage(tmp_path)
    with pytest.raises(DataError, match=r"model\.ckpt-7.* remove its files and name an older"):
        find_resume_point(str(tmp_path))


def test_a_state_file_that_names_nothing_is_named(tmp_path):
    (tmp_path / "checkpoint").write_text("nonsense")
    with pytest.raises(DataError, match=r"checkpoint names no checkpoint"):
        find_resume_point(str(tmp_path))


@pytest.mark.parametrize("cwd, model_dir", [("/", "{}"), ("{}", ".")])
def test_another_folder_resumes_from_the_checkpoint_but_does_not_keep_it(
    tmp_path, save, monkeypatch, cwd, model_dir
):
    save({"w": [1.0, 2.0]})
    monkeypatch.chdir(cwd.format(tmp_path))
    model_dir = model_dir.format(tmp_path)
    resume_from_other(os.path.join(model_dir, "tmp_worker_1"), model_dir)
    state = tf.train.get_checkpoint_state(str(tmp_path / "tmp_worker_1"))
    assert state.model_checkpoint_path == str(tmp_path / "model.ckpt-7")
    assert list(state.all_model_checkpoint_paths) == []
    assert find_resume_point(str(tmp_path / "tmp_worker_1")).step == 7


def test_another_folder_starts_anew_where_there_is_no_checkpoint(tmp_path):
    resume_from_other(str(tmp_path / "tmp_worker_1"), str(tmp_path))
    assert list(tmp_path.iterdir()) == []


NAME = "efficientnet-b0/head/dense/kernel"
STEM = "efficientnet-b0/stem/conv2d/kernel"
AVERAGE = "/ExponentialMovingAverage"


def build_and_restore(path, exclude=(), shape=2):
    """Build two weights and their averages at 0, restore, and return what they start from."""
    for name in (NAME, STEM):
        tf.get_variable(name, [shape], initializer=tf.zeros_initializer())
    average = tf.train.ExponentialMovingAverage(0.9)
    average.apply(tf.trainable_variables())
    names = restore_weights(path, exclude)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        values = {v.op.name: session.run(v).tolist() for v in tf.global_variables()}
    return names, values


def test_weights_and_averages_start_from_the_checkpoint(save):
    path = save({NAME: [1, 2], STEM: [3, 4], STEM + AVERAGE: [5, 6], "other": [7]})
    names, values = build_and_restore(path)
    assert names == [NAME, STEM]
    assert values[NAME] == [1, 2]
    # Without an average of its own the checkpoint's weight is the best guess of it.
    assert values[NAME + AVERAGE] == [1, 2]
    assert values[STEM] == [3, 4]
    assert values[STEM + AVERAGE] == [5, 6]


@pytest.mark.parametrize("prefix", ["efficientnet-b0/head/", "efficientnet-b0/model/head/dense/"])
def test_what_is_excluded_keeps_its_initial_value(save, prefix):
    names, values = build_and_restore(save({NAME: [1, 2], STEM: [3, 4]}), [prefix])
    assert names == [STEM]
    assert values[NAME] == values[NAME + AVERAGE] == [0, 0]


def test_restoring_nothing_is_an_error(save):
    with pytest.raises(ConfigError, match=r"restores nothing: none of its 2 variables"):
        build_and_restore(save({"resnet/kernel": [1.0]}))


def test_another_shape_says_how_to_leave_it_out(save):
    path = save({NAME: [1, 2, 3]})
    with pytest.raises(ConfigError, match=r"--restore_exclude=efficientnet-b0/head/dense/"):
        build_and_restore(path)
