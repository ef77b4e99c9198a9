"""The newest checkpoint on record is whole and good, whatever goes wrong with the next."""

import contextlib
import os
import resource
import subprocess

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer import saving
from efficientnet_trainer.errors import DivergedError
from efficientnet_trainer.progress import ProgressReporter
from efficientnet_trainer.resume import find_resume_point
from efficientnet_trainer.stop import StopFlag

NUMBERS = 100_000
"""Float32 numbers of the only weight: a checkpoint is 0.4 MB."""


@pytest.fixture
def save_each_step():
    """Make steps that set all weights to given values, saving after each."""

    def run(folder, values, before_last=contextlib.nullcontext):
        reporter = ProgressReporter(None, 0)
        with tf.Graph().as_default():
            step = tf.train.get_or_create_global_step()
            weight = tf.get_variable("weight", [NUMBERS], initializer=tf.zeros_initializer())
            value = tf.gather(tf.constant(values, tf.float32), step)
            with tf.control_dependencies([weight.assign(tf.fill([NUMBERS], value))]):
                done = step.assign_add(1)
            tf.add_to_collection(saving.STEP_DONE, done)
            saver = tf.train.Saver(defer_build=True, save_relative_paths=True, max_to_keep=2)
            tf.add_to_collection(tf.GraphKeys.SAVERS, saver)
            listener = saving.SaveListener(reporter, StopFlag(), None)
            hook = saving.CheckpointHook(str(folder), 1, listener, owns_restored=True)
            with tf.train.MonitoredSession(hooks=[hook]) as session:
                for number in range(len(values)):
                    last = number == len(values) - 1
                    with before_last() if last else contextlib.nullcontext():
                        session.run(done)
        return reporter.state

    return run


@contextlib.contextmanager
def no_file_longer_than(size):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def weight_of(folder):
    """Read the checkpoint that a run would resume from: its step and its weights' one value."""
    point = find_resume_point(str(folder))
    values = set(tf.train.load_checkpoint(point.path).get_tensor("weight").tolist())
    return point.step, values


def checkpoint_files(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != "checkpoint")


def files_of(*steps):
    return [f"model.ckpt-{n}.{end}" for n in steps for end in ("data-00000-of-00001", "index")]


def test_each_save_is_told(tmp_path, save_each_step):
    state = save_each_step(tmp_path, [1, 2, 3])
    assert (state.checkpoint_step, state.phase) == (3, "waiting")
    assert state.checkpoint_save_seconds >= 0
    assert checkpoint_files(tmp_path) == files_of(2, 3)
    assert weight_of(tmp_path) == (3, {3.0})


def test_a_save_that_fails_half_way_leaves_the_older_checkpoint(tmp_path, save_each_step):
    with pytest.raises(saving.SaveFailedError) as caught:
        save_each_step(tmp_path, [1, 2, 3], lambda: no_file_longer_than(NUMBERS))
    message = str(caught.value)
    assert message.startswith(f"checkpoint {tmp_path}/model.ckpt-3 could not be written: ")
    assert f"the last good checkpoint is {tmp_path}/model.ckpt-2" in message
    assert caught.value.exit_code == 75
    assert checkpoint_files(tmp_path) == files_of(1, 2)
    assert weight_of(tmp_path) == (2, {2.0})


@pytest.fixture
def small_disk(tmp_path):
    """A file system with room for two checkpoints and a half, where one can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(words, stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("mounting a file system needs root and the right to mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_the_older_checkpoint(small_disk, save_each_step):
    with pytest.raises(saving.SaveFailedError, match="No space left on device") as caught:
        save_each_step(small_disk, [1, 2, 3])
    assert f"the last good checkpoint is {small_disk}/model.ckpt-2" in str(caught.value)
    assert checkpoint_files(small_disk) == files_of(1, 2)
    assert weight_of(small_disk) == (2, {2.0})


@pytest.mark.parametrize("lost", [np.nan, -np.inf, 1e30])
def test_weights_that_nothing_can_be_done_with_are_not_saved(tmp_path, save_each_step, lost):
    with pytest.raises(DivergedError, match="the weights of step 3 are no finite numbers"):
        save_each_step(tmp_path, [1, 2, lost, 4])
    assert weight_of(tmp_path) == (2, {2.0})


def test_files_of_a_save_that_was_killed_are_never_resumed_from(tmp_path, save_each_step):
    save_each_step(tmp_path, [1])
    index, data = files_of(1)[1], files_of(1)[0]
    # Killed while writing the weights, and between the weights and the record of them.
    (tmp_path / "model.ckpt-8.data-00000-of-00001.tempstate123").write_bytes(b"half")
    for name in (index, data):
        (tmp_path / name.replace("-1.", "-9.")).write_bytes((tmp_path / name).read_bytes()[:50])
    assert weight_of(tmp_path) == (1, {1.0})


def test_the_newest_checkpoint_is_named_where_there_is_one(tmp_path, save_each_step):
    assert saving.describe_newest(str(tmp_path)) == "there is no checkpoint yet"
    save_each_step(tmp_path, [1])
    newest = saving.describe_newest(str(tmp_path))
    assert newest == f"the last good checkpoint is {tmp_path}/model.ckpt-1"
