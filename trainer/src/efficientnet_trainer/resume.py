"""Find the checkpoint that a run goes on from, and read it whole before anything else.

A run resumes without being told to.  What is there but cannot be read ends the run by
name: to start from step 0 in silence would throw days of training away.
"""

import os
from typing import NamedTuple, Optional

import tensorflow.compat.v1 as tf

from efficientnet_trainer.checkpoint import Checkpoint
from efficientnet_trainer.errors import DataError
from efficientnet_trainer.termination import write_whole

STATE_FILE = "checkpoint"
"""TensorFlow's record of the newest checkpoint, written after the checkpoint itself."""


class ResumePoint(NamedTuple):
    """A sound checkpoint: the prefix of its files, and the step it was saved at."""

    path: str
    step: int


def find_resume_point(model_dir: str) -> Optional[ResumePoint]:
    """Return the newest checkpoint of ``model_dir``, or None where no run has saved one.

    Raises:
        DataError: there is one, but it cannot be read.
    """
    state_file = os.path.join(model_dir, STATE_FILE)
    if not os.path.exists(state_file):
        return None
    state = tf.train.get_checkpoint_state(model_dir)
    if state is None or not state.model_checkpoint_path:
        raise DataError(
            f"{state_file} names no checkpoint; restore the file, or use an empty --model_dir"
        )
    path = str(state.model_checkpoint_path)
    try:
        return read_resume_point(path)
    except DataError as error:
        raise DataError(
            f"{error}; remove its files and name an older checkpoint in {state_file}"
        ) from None


def read_resume_point(path: str) -> ResumePoint:
    """Return the checkpoint of a prefix, whose every tensor was read.

    Raises:
        DataError: it cannot be read, or has no step.
    """
    return ResumePoint(path, _read_all(path))


def resume_from_other(folder: str, model_dir: str) -> None:
    """Let a run that saves to ``folder`` resume from the newest checkpoint of ``model_dir``.

    A saver takes the checkpoints that the state file lists for its own and deletes them in
    their turn, so the file only names the one to restore.
    """
    state = tf.train.get_checkpoint_state(model_dir)
    if state is None:
        return
    newest = os.path.abspath(str(state.model_checkpoint_path))
    os.makedirs(folder, exist_ok=True)
    content = str(type(state)(model_checkpoint_path=newest))
    write_whole(os.path.join(folder, STATE_FILE), content.encode())


def _read_all(path: str) -> int:
    """Read every tensor, which checks its checksum, and return the step."""
    shapes = Checkpoint(path).shapes
    if "global_step" not in shapes:
        raise DataError(f"checkpoint {path} holds no global_step, so it is of no training run")
    reader = tf.train.load_checkpoint(path)
    try:
        for name in shapes:
            reader.get_tensor(name)
    except (tf.errors.OpError, ValueError) as error:
        raise DataError(f"checkpoint {path} cannot be read: {error}") from None
    return int(reader.get_tensor("global_step"))
