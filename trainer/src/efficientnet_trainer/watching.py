"""Follow the checkpoints that another run saves, and hold on to the one at hand.

The run that saves them also deletes them, at any moment.  So a checkpoint is linked into a
folder of our own before it is evaluated; one that is gone before that is passed over.
"""

import contextlib
import os
import re
import shutil
import time
import uuid
from typing import Callable, Iterator, List, Optional, Tuple

import tensorflow.compat.v1 as tf

from efficientnet_trainer.best import link_checkpoint

POLL_S = 1.0
_STEP = re.compile(r"-(\d+)$")


def step_of(prefix: str) -> int:
    """Return the step that a checkpoint's name ends with, or 0."""
    found = _STEP.search(prefix)
    return int(found.group(1)) if found else 0


def new_checkpoints(
    model_dir: str,
    patience_s: float,
    last_step: int,
    stopped: Callable[[], bool],
    poll_s: float = POLL_S,
) -> Iterator[str]:
    """Yield each checkpoint of a folder once, by step; first those that are there already.

    Args:
        model_dir: where they appear.
        patience_s: how long the next one is waited for; it counts from the caller's return.
        last_step: nothing follows the checkpoint of this step.
        stopped: whether to end early.
        poll_s: seconds between two looks.
    """
    done = -1
    deadline = time.monotonic() + patience_s
    while True:
        for step, path in _listed(model_dir):
            if step > done and not stopped():
                done = step
                yield path
                deadline = time.monotonic() + patience_s
        if done >= last_step or stopped() or time.monotonic() >= deadline:
            return
        time.sleep(poll_s)


@contextlib.contextmanager
def held(path: str, folder: str) -> Iterator[Optional[str]]:
    """Link a checkpoint into a new folder below ``folder``, and give its prefix there.

    None where the checkpoint is gone.
    """
    own = os.path.join(folder, f"held-{uuid.uuid4().hex}")
    os.makedirs(own)
    try:
        try:
            linked: Optional[str] = link_checkpoint(path, own)
        except FileNotFoundError:
            linked = None
        yield linked
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _listed(model_dir: str) -> List[Tuple[int, str]]:
    state = tf.train.get_checkpoint_state(model_dir)
    paths = list(state.all_model_checkpoint_paths) if state else []
    return sorted((step_of(path), str(path)) for path in paths)
