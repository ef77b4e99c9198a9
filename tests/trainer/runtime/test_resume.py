"""Where a run goes on: its newest sound checkpoint, or nothing."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.errors import DataError
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
