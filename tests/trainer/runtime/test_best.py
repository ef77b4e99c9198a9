"""The archive of the best checkpoint, and links that outlive what they link."""

import json
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.best import (
    BestCheckpoint,
    Evaluated,
    checkpoint_files,
    link_checkpoint,
)


@pytest.fixture
def save(tmp_path):
    """Save a checkpoint whose weight is its step."""

    def save_step(step):
        (tmp_path / "out").mkdir(exist_ok=True)
        with tf.Graph().as_default(), tf.Session() as session:
            weight = tf.get_variable("w", initializer=float(step))
            session.run(weight.initializer)
            prefix = str(tmp_path / "out" / "model.ckpt")
            return tf.train.Saver().save(session, prefix, global_step=step)

    return save_step


@pytest.fixture
def archive(tmp_path):
    return BestCheckpoint(str(tmp_path / "out"))


def offer(archive, path, top1, loss=1.0):
    step = int(path.rpartition("-")[2])
    figures = {"loss": loss, "top_1_accuracy": top1, "top_5_accuracy": 1.0}
    name = os.path.basename(path)
    return archive.offer(path, Evaluated(checkpoint=name, global_step=step, images=9, **figures))


def kept(tmp_path):
    """Return the step that the archive's weights are of."""
    newest = tf.train.latest_checkpoint(str(tmp_path / "out" / "best"))
    return int(np.round(tf.train.load_checkpoint(newest).get_tensor("w")))


def test_only_a_better_one_takes_the_place(tmp_path, save, archive):
    assert archive.read() is None
    told = [offer(archive, save(step), top1, loss) for step, top1, loss in (
        (1, 0.5, 1.0),
        (2, 0.4, 0.1),
        (3, 0.5, 1.0),
        (4, 0.5, 0.9),
        (5, 0.6, 2.0),
        (6, 0.6, float("nan")),
    )]  # fmt: skip
    assert told == [True, False, False, True, True, False]
    assert kept(tmp_path) == 5
    names = set(os.listdir(str(tmp_path / "out" / "best")))
    data = "model.ckpt-5.data-00000-of-00001"
    assert names == {"checkpoint", "evaluation.json", "model.ckpt-5.index", data}
    figures = json.loads((tmp_path / "out" / "best" / "evaluation.json").read_text())
    assert figures == {
        "checkpoint": "model.ckpt-5",
        "global_step": 5,
        "loss": 2.0,
        "top_1_accuracy": 0.6,
        "top_5_accuracy": 1.0,
        "images": 9,
    }


def test_it_survives_a_restart_and_the_deletion_of_the_original(tmp_path, save, archive):
    path = save(1)
    offer(archive, path, 0.5)
    for name in checkpoint_files(path):
        os.unlink(name)
    again = BestCheckpoint(str(tmp_path / "out"))
    assert again.read().global_step == 1
    assert not offer(again, save(2), 0.4)
    assert kept(tmp_path) == 1


def test_a_step_that_was_trained_again_takes_its_own_place(tmp_path, save, archive):
    offer(archive, save(1), 0.5)
    assert offer(archive, save(1), 0.6)
    assert archive.read().top_1_accuracy == 0.6
    assert kept(tmp_path) == 1


def test_one_that_is_not_there_whole_is_none(tmp_path, save, archive):
    offer(archive, save(1), 0.9)
    (tmp_path / "out" / "best" / "model.ckpt-1.index").unlink()
    assert archive.read() is None
    assert offer(archive, save(2), 0.1)
    assert kept(tmp_path) == 2


def test_what_an_interrupted_archiving_left_is_cleared_away(tmp_path, save, archive):
    offer(archive, save(1), 0.1)
    best = tmp_path / "out" / "best"
    for name in ("model.ckpt-2.index", "model.ckpt-3.index.partial"):
        (best / name).write_text("half")
    # The new figures were written, the state file was not.
    assert offer(archive, save(3), 0.2)
    assert kept(tmp_path) == 3
    assert len(list(best.iterdir())) == 4


def test_a_linked_checkpoint_outlives_its_original(tmp_path, save):
    path = save(7)
    (tmp_path / "held").mkdir()
    linked = link_checkpoint(path, str(tmp_path / "held"))
    for name in checkpoint_files(path):
        os.unlink(name)
    assert tf.train.load_checkpoint(linked).get_tensor("w") == 7.0
    with pytest.raises(FileNotFoundError, match=r"model\.ckpt-7 is not there, or not whole"):
        link_checkpoint(path, str(tmp_path / "held"))


PARTS = {
    "no index": ["m.data-00000-of-00001"],
    "no data": ["m.index"],
    "one of two parts": ["m.data-00000-of-00002", "m.index"],
}


@pytest.mark.parametrize("names", PARTS.values(), ids=PARTS)
def test_a_part_of_a_checkpoint_is_none(names, tmp_path):
    for name in names:
        (tmp_path / name).write_text("")
    assert checkpoint_files(str(tmp_path / "m")) == []
