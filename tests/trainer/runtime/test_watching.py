"""Checkpoints that appear, and disappear, while they are evaluated."""

import os
import threading

import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.best import checkpoint_files
from efficientnet_trainer.watching import held, new_checkpoints, step_of


@pytest.fixture
def save(tmp_path):
    """Save steps as a run does that keeps two checkpoints."""
    saver, session = None, tf.Session(graph=tf.Graph())
    with session.graph.as_default():
        session.run(tf.get_variable("w", initializer=0.0).initializer)
        saver = tf.train.Saver(max_to_keep=2)

    def save_step(step):
        with session.graph.as_default():
            return saver.save(
                session, str(tmp_path / "model.ckpt"), global_step=step, write_meta_graph=False
            )

    with session:
        yield save_step


def watch(tmp_path, last_step=100, patience_s=0.0, stopped=lambda: False):
    return new_checkpoints(str(tmp_path), patience_s, last_step, stopped, poll_s=0.01)


def test_those_that_are_there_come_first_by_step(tmp_path, save):
    for step in (2, 10):
        save(step)
    assert [step_of(path) for path in watch(tmp_path)] == [2, 10]


def test_each_is_seen_once_until_the_last_step(tmp_path, save):
    save(1)
    seen = []
    for path in watch(tmp_path, last_step=3, patience_s=30.0):
        seen.append(step_of(path))
        if len(seen) < 3:
            threading.Timer(0.03, save, [len(seen) + 1]).start()
    assert seen == [1, 2, 3]


def test_waiting_ends_with_patience_or_a_stop(tmp_path, save):
    assert list(watch(tmp_path, patience_s=0.05)) == []
    save(1)
    stops = []
    for _ in watch(tmp_path, patience_s=30.0, stopped=lambda: bool(stops)):
        stops.append(True)
    assert len(stops) == 1


def test_a_held_checkpoint_stays_while_its_run_deletes_it(tmp_path, save):
    path = save(1)
    with held(path, str(tmp_path / ".held")) as own:
        save(2)
        save(3)
        assert not checkpoint_files(path)
        assert tf.train.load_checkpoint(own).get_tensor("w") == 0.0
        assert os.path.basename(own) == "model.ckpt-1"
    assert os.listdir(str(tmp_path / ".held")) == []
    with held(path, str(tmp_path / ".held")) as own:
        assert own is None
