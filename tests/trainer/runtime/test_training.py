"""Which stages of a run own its model directory, with a backend that only takes notes."""

import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.backend import Rank
from efficientnet_trainer.errors import DataError
from efficientnet_trainer.model_fn import MEAN_LOSS, TOP_1, TOP_5, RunContext
from efficientnet_trainer.progress import ProgressReporter
from efficientnet_trainer.stop import StopFlag
from efficientnet_trainer.training import Run

ENV = {"ENJ_JOB_UID": "job-a", "ENJ_ATTEMPT": "2"}


class NotingBackend:
    """Saves a step without training to it, and notes whether ``.owner`` was there."""

    def __init__(self, model_dir, while_training):
        self._model_dir = model_dir
        self._while_training = while_training
        self.notes = []

    def train(self, model_fn, input_fn, max_steps, listener):
        self._note("train")
        with tf.Graph().as_default(), tf.Session() as session:
            step = tf.train.get_or_create_global_step()
            session.run(step.assign(max_steps))
            prefix = str(self._model_dir / "model.ckpt")
            tf.train.Saver().save(session, prefix, global_step=max_steps)
        self._while_training()

    def evaluate(self, model_fn, input_fn, path, hooks):
        self._note("evaluate")
        step = int(path.rpartition("-")[2])
        return {MEAN_LOSS: 1.0, TOP_1: 0.5, TOP_5: 0.9, "global_step": step}

    def _note(self, stage):
        self.notes.append((stage, (self._model_dir / ".owner").exists()))


@pytest.fixture
def make_run(small_network, write_split):
    """Make the run of one rank that trains two steps, and its backend."""

    def make(rank, while_training=lambda: None, flag=None, **flags):
        write_split("train", [[1, 2], [3, 4]])
        folder = write_split("validation", [[1, 2]])
        config = small_network(train_steps=2, train_batch_size=1, **flags)
        backend = NotingBackend(folder / "out", while_training)
        context = RunContext(
            config=config,
            rank=rank,
            backend=backend,
            reporter=ProgressReporter(None, rank.rank),
            flag=flag or StopFlag(),
            restores=False,
        )
        return Run(context, ENV), backend

    return make


ALONE = Rank(0, 1, 1)
CHIEF_OF_TWO = Rank(0, 2, 1)
OTHER_OF_TWO = Rank(1, 2, 1)

STAGES = {
    "alone, the evaluation in between is part of training": (
        ALONE,
        [("train", True), ("evaluate", True), ("train", True), ("evaluate", False)],
    ),
    "in a gang the chief trains, then evaluates": (
        CHIEF_OF_TWO,
        [("train", True), ("evaluate", False)],
    ),
    "other ranks only train": (OTHER_OF_TWO, [("train", False)]),
}


@pytest.mark.parametrize("rank, notes", STAGES.values(), ids=STAGES)
def test_training_owns_and_what_follows_does_not(rank, notes, make_run, tmp_path):
    run, backend = make_run(rank, steps_per_eval=1)
    (tmp_path / "out").mkdir()
    assert run.train(None).reason == "Completed"
    assert backend.notes == notes
    assert not (tmp_path / "out" / ".owner").exists()


def test_a_stopped_run_releases_the_folder(make_run, tmp_path):
    flag = StopFlag()
    run, backend = make_run(CHIEF_OF_TWO, flag.request, flag)
    assert run.train(None).reason == "Stopped"
    assert backend.notes == [("train", True)]
    assert not (tmp_path / "out" / ".owner").exists()


def fail():
    raise RuntimeError("a step failed")


def test_a_failed_run_releases_the_folder(make_run, tmp_path):
    run, backend = make_run(CHIEF_OF_TWO, fail)
    with pytest.raises(RuntimeError, match="a step failed"):
        run.train(None)
    assert backend.notes == [("train", True)]
    assert not (tmp_path / "out" / ".owner").exists()


def test_a_run_that_cannot_read_its_data_releases_the_folder(make_run, tmp_path):
    run, backend = make_run(CHIEF_OF_TWO)
    for path in tmp_path.glob("train-*"):
        path.unlink()
    with pytest.raises(DataError):
        run.train(None)
    assert backend.notes == []
    assert not (tmp_path / "out" / ".owner").exists()
