"""Save checkpoints so that the newest one named is always whole and good.

A save is refused where another run took the folder over, or where the weights are no
numbers any more; one that fails half-way takes its files away and leaves the record of
the older checkpoint as it was.
"""

import contextlib
import glob
import os
import time
from typing import Any, Optional

import numpy as np
import tensorflow.compat.v1 as tf

from efficientnet_trainer.errors import DivergedError
from efficientnet_trainer.owner import Ownership
from efficientnet_trainer.progress import ProgressReporter
from efficientnet_trainer.stop import StopFlag
from efficientnet_trainer.termination import TransientError

STEP_DONE = "step_done"
"""Collection of the tensor that tells the step once its update is applied."""

PEER_IS_GONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)
"""How the death of another rank shows in a step or a save, which are collectives."""


class SaveFailedError(TransientError):
    """A checkpoint could not be written; the older ones are as they were."""


def describe_newest(folder: str) -> str:
    """Say in half a sentence which checkpoint a run would go on from."""
    newest = tf.train.latest_checkpoint(folder)
    return f"the last good checkpoint is {newest}" if newest else "there is no checkpoint yet"


class SaveListener(tf.train.CheckpointSaverListener):
    """Lets only the owner save, and only good weights, and tells of each checkpoint."""

    def __init__(
        self, reporter: ProgressReporter, flag: StopFlag, ownership: Optional[Ownership]
    ) -> None:
        """Take the claim to check, which only the writing rank of a job has."""
        self._reporter = reporter
        self._flag = flag
        self._ownership = ownership
        self._started = 0.0
        self._phase = "training"

    def begin(self) -> None:
        """Find the weights in the graph."""
        self._weights = tf.trainable_variables()

    def before_save(self, session: Any, global_step_value: Any) -> None:
        """Refuse to write over good checkpoints.

        Raises:
            OwnerLostError: another run took over.
            DivergedError: a weight, or its square, is no finite number.
        """
        if self._ownership is not None:
            self._ownership.check()
        # By the weights, not by the loss: a step's loss is that of the weights before its update.
        # By their squares: where those overflow, the next loss is no number whatever is done.
        squares = [np.vdot(value, value) for value in session.run(self._weights)]
        if not np.isfinite(squares).all():
            raise DivergedError(f"the weights of step {global_step_value} are no finite numbers")
        self._phase = self._reporter.state.phase
        self._started = time.time()
        self._reporter.enter("saving")

    def after_save(self, session: Any, global_step_value: Any) -> None:
        """Record the checkpoint and go back to what was interrupted."""
        self._flag.note_saved()
        now = time.time()
        self._reporter.record(
            checkpoint_step=int(global_step_value),
            checkpoint_saved_at=now,
            checkpoint_save_seconds=now - self._started,
        )
        self._reporter.enter(self._phase)


class CheckpointHook(tf.train.SessionRunHook):
    """Saves every ``save_steps``, and at the end of the session.

    TensorFlow's own hook also writes the graph as text and once more with each checkpoint:
    for this network that is longer than the save itself.  Under a strategy it takes no
    listener, either.  Every rank saves, because reading batch statistics is a collective.
    """

    def __init__(
        self, folder: str, save_steps: int, listener: SaveListener, owns_restored: bool
    ) -> None:
        """Take where and when to save.

        Args:
            folder: where the checkpoints go.
            save_steps: steps between them.
            listener: called around each save.
            owns_restored: whether this rank saved the checkpoints that it restores from, and
                so may delete them in their turn.
        """
        self._folder = folder
        self._prefix = os.path.join(folder, "model.ckpt")
        self._save_steps = save_steps
        self._listener = listener
        self._owns_restored = owns_restored
        self._saved_step = 0

    def begin(self) -> None:
        """Find the step in the graph, and make the folder: a saver does not."""
        os.makedirs(self._folder, exist_ok=True)
        (self._step_done,) = tf.get_collection(STEP_DONE)
        self._listener.begin()

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Count from what was restored, which needs no saving."""
        self._saved_step = int(session.run(tf.train.get_global_step()))
        if not self._owns_restored:
            # TensorFlow tells each rank's saver what rank 0 has kept, as if it were its own.
            self._saver().set_last_checkpoints_with_time([])

    def before_run(self, _run_context: Any) -> Any:
        """Fetch the step."""
        return tf.train.SessionRunArgs(self._step_done)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Save where it is time."""
        step = int(run_values.results)
        if step // self._save_steps > self._saved_step // self._save_steps:
            self._save(run_context.session, step)

    def end(self, session: Any) -> None:
        """Save the last step, whether the run is complete or was stopped."""
        step = int(session.run(tf.train.get_global_step()))
        if step != self._saved_step:
            self._save(session, step)

    def _save(self, session: Any, step: int) -> None:
        self._listener.before_save(session, step)
        tf.logging.info("Saving checkpoints for %d into %s.", step, self._prefix)
        try:
            self._saver().save(session, self._prefix, global_step=step, write_meta_graph=False)
        except PEER_IS_GONE:
            raise
        except (tf.errors.OpError, OSError, ValueError) as error:
            self._discard(step)
            # Never as it is: some of them end a session as if training were complete.
            raise SaveFailedError(
                f"checkpoint {self._prefix}-{step} could not be written: {first_line(error)}; "
                f"{describe_newest(self._folder)}; make room there (fewer checkpoints are kept "
                f"with --keep_checkpoint_max), and the run goes on from it"
            ) from error
        self._saved_step = step
        self._listener.after_save(session, step)

    def _discard(self, step: int) -> None:
        """Take the files of a failed save away: what is half is of no use, and in the way."""
        prefix = f"{self._prefix}-{step}"
        if tf.train.latest_checkpoint(self._folder) == prefix:
            return  # it is whole and on record; what failed was to delete an older one
        for path in glob.glob(glob.escape(prefix) + ".*"):
            with contextlib.suppress(OSError):
                os.unlink(path)

    def _saver(self) -> tf.train.Saver:
        (saver,) = tf.get_collection(tf.GraphKeys.SAVERS)
        return saver


def first_line(error: BaseException) -> str:
    """Return what an exception says in its first line; TensorFlow's go on for pages."""
    text: Optional[str] = getattr(error, "message", None) or str(error)
    return (text or "").strip().split("\n", 1)[0]
