"""Which stages of a run own its model directory, with a backend that only takes notes."""

import threading

import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.backend import Rank
from efficientnet_trainer.errors import DataError
from efficientnet_trainer.gathering import Gathering, Member, attempt_of
from efficientnet_trainer.model_fn import RunContext
from efficientnet_trainer.progress import ProgressReporter
from efficientnet_trainer.resume import find_resume_point
from efficientnet_trainer.stop import StopFlag
from efficientnet_trainer.totals import Totals
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
        self.save([max_steps])
        self._while_training()

    def save(self, steps):
        with tf.Graph().as_default(), tf.Session() as session:
            step = tf.train.get_or_create_global_step()
            saver = tf.train.Saver()
            for each in steps:
                session.run(step.assign(each))
                saver.save(session, str(self._model_dir / "model.ckpt"), global_step=each)

    def evaluate(self, model_fn, input_fn, path, hooks):
        self._note("evaluate")
        hooks[0].totals = Totals(1, 1.0, 1, 1)

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
    "in a gang the chief trains, then evaluates its share": (
        CHIEF_OF_TWO,
        [("train", True), ("evaluate", False)],
    ),
    "other ranks train, then evaluate theirs": (
        OTHER_OF_TWO,
        [("train", False), ("evaluate", False)],
    ),
}


def take_part(gathering, is_chief):
    """Be the other rank of two, which takes no note."""
    if not is_chief:
        while True:
            announcement = gathering.await_announcement()
            if announcement is None:
                return
            gathering.leave_share(announcement, Totals(1, 1.0, 1, 1))
    announcement = gathering.announce("model.ckpt-2", 2)
    gathering.collect_shares(announcement)
    gathering.dismiss()


@pytest.mark.parametrize("rank, notes", STAGES.values(), ids=STAGES)
def test_training_owns_and_what_follows_does_not(rank, notes, make_run, tmp_path):
    run, backend = make_run(rank, steps_per_eval=1)
    folder = tmp_path / "out"
    folder.mkdir()
    member = Member(1 - rank.rank, 2, attempt_of(ENV))
    peer = Gathering(str(folder), member, lambda: False, patience_s=20.0, poll_s=0.01)
    other = threading.Thread(target=take_part, args=(peer, rank == OTHER_OF_TWO))
    if rank.size == 2:
        other.start()
    assert run.train(None).reason == "Completed"
    if rank.size == 2:
        other.join(20)
        assert not other.is_alive()
    assert backend.notes == notes
    assert not (folder / ".owner").exists()


def test_a_stopped_run_releases_the_folder(make_run, tmp_path):
    flag = StopFlag()
    run, backend = make_run(CHIEF_OF_TWO, flag.request, flag)
    assert run.train(None).reason == "Stopped"
    assert backend.notes == [("train", True)]
    assert not (tmp_path / "out" / ".owner").exists()


def test_where_no_step_is_left_a_stop_waits_for_what_follows(make_run, tmp_path):
    flag = StopFlag()
    run, backend = make_run(ALONE, flag=flag)
    flag.note_joining()
    backend.save([2])
    assert run.train(find_resume_point(str(tmp_path / "out"))).reason == "Completed"
    assert [stage for stage, _ in backend.notes] == ["evaluate"]
    flag.leave_if_joining(fail)


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


EVALUATED = {
    # flags, steps that are evaluated
    "the newest alone": ({}, [2]),
    "each, where others may come": ({"eval_timeout": 30}, [1, 2]),
    "one that is named": ({"checkpoint_path": "{}/model.ckpt-1"}, [1]),
}


@pytest.mark.parametrize("flags, steps", EVALUATED.values(), ids=EVALUATED)
def test_mode_eval_evaluates_and_owns_nothing(flags, steps, make_run, tmp_path, caplog):
    folder = tmp_path / "out"
    if "checkpoint_path" in flags:
        flags = {"checkpoint_path": flags["checkpoint_path"].format(folder)}
    run, backend = make_run(ALONE, mode="eval", **flags)
    folder.mkdir()
    backend.save([1, 2])
    tf.logging.set_verbosity(tf.logging.INFO)
    word = run.evaluate_only()
    assert (word.reason, word.step, word.top1) == ("Completed", steps[-1], 1.0)
    assert backend.notes == [("evaluate", False)] * len(steps)
    told = [m for m in caplog.messages if m.startswith("Saving 'checkpoint_path' summary")]
    assert [line.rpartition(": ")[2] for line in told] == [
        f"{folder}/model.ckpt-{step}" for step in steps
    ]
    # What was held while it was evaluated is let go.
    assert list((folder / ".evaluation").iterdir()) == []


def test_mode_eval_needs_a_checkpoint(make_run, tmp_path):
    run, _ = make_run(ALONE, mode="eval")
    with pytest.raises(DataError, match=r"--model_dir .*/out has no checkpoint; train first"):
        run.evaluate_only()
