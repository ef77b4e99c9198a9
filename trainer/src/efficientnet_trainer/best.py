"""Keep the checkpoint that evaluated best, with its figures.

``<model_dir>/best`` is a folder of its own, so that no saver that keeps the last five
deletes it and no run resumes from it.  Its files are links to the checkpoint's where the
file system can link.  ``evaluation.json`` is replaced once the new files are there whole,
and the old ones go afterwards: whenever the process ends, a whole checkpoint is named.
"""

import glob
import os
import shutil
from typing import List, Optional

import tensorflow.compat.v1 as tf
from pydantic import BaseModel, ValidationError

from efficientnet_trainer.resume import STATE_FILE
from efficientnet_trainer.termination import write_whole

FOLDER = "best"
FIGURES_FILE = "evaluation.json"
_TEMPORARY = ".partial"


class Evaluated(BaseModel):
    """One checkpoint's figures, as ``evaluation.json`` has them."""

    checkpoint: str
    """Name of its files, without folder."""
    global_step: int
    loss: float
    top_1_accuracy: float
    top_5_accuracy: float
    images: int

    def is_better_than(self, other: Optional["Evaluated"]) -> bool:
        """Compare by top-1 accuracy, and by loss where that is equal."""
        if other is None:
            return True
        own = (self.top_1_accuracy, -self.loss)
        return own > (other.top_1_accuracy, -other.loss)


class BestCheckpoint:
    """The archive of one model directory; only one process may write it."""

    def __init__(self, model_dir: str) -> None:
        """Write nothing yet."""
        self.folder = os.path.join(model_dir, FOLDER)

    def read(self) -> Optional[Evaluated]:
        """Return the figures of the checkpoint that is kept, if one is there whole."""
        try:
            with open(os.path.join(self.folder, FIGURES_FILE), "rb") as stream:
                found = Evaluated.model_validate_json(stream.read())
        except (FileNotFoundError, ValidationError):
            return None
        return found if checkpoint_files(os.path.join(self.folder, found.checkpoint)) else None

    def offer(self, path: str, evaluated: Evaluated) -> bool:
        """Keep a checkpoint in place of the one that is kept, if it is better.

        Args:
            path: prefix of its files.
            evaluated: its figures.

        Returns:
            Whether it is kept.
        """
        if not evaluated.is_better_than(self.read()):
            return False
        os.makedirs(self.folder, exist_ok=True)
        link_checkpoint(path, self.folder)
        figures = evaluated.model_dump_json(indent=2).encode()
        write_whole(os.path.join(self.folder, FIGURES_FILE), figures)
        state = tf.train.generate_checkpoint_state_proto(self.folder, evaluated.checkpoint)
        write_whole(os.path.join(self.folder, STATE_FILE), str(state).encode())
        self._remove_others(evaluated.checkpoint)
        return True

    def _remove_others(self, kept: str) -> None:
        keep = set(checkpoint_files(os.path.join(self.folder, kept)))
        keep |= {os.path.join(self.folder, name) for name in (FIGURES_FILE, STATE_FILE)}
        for name in os.listdir(self.folder):
            path = os.path.join(self.folder, name)
            if path not in keep:
                os.unlink(path)


def checkpoint_files(prefix: str) -> List[str]:
    """List a checkpoint's files, its index last; empty where one is missing."""
    index = prefix + ".index"
    data = sorted(glob.glob(glob.escape(prefix) + ".data-?????-of-?????"))
    whole = os.path.exists(index) and bool(data) and int(data[0][-5:]) == len(data)
    return [*data, index] if whole else []


def link_checkpoint(prefix: str, folder: str) -> str:
    """Let a checkpoint exist in another folder too, and return its prefix there.

    Savers replace files and never write into them, so a link keeps what it links.

    Raises:
        FileNotFoundError: the checkpoint is gone, or not whole.
    """
    files = checkpoint_files(prefix)
    if not files:
        raise FileNotFoundError(f"checkpoint {prefix} is not there, or not whole")
    for source in files:
        target = os.path.join(folder, os.path.basename(source))
        temporary = target + _TEMPORARY
        if os.path.exists(temporary):
            os.unlink(temporary)
        try:
            os.link(source, temporary)
        except FileNotFoundError:
            raise
        except OSError:  # a file system without links, or another one
            shutil.copyfile(source, temporary)
        # Renaming one link of a file onto another is defined to do nothing.
        if os.path.exists(target) and os.path.samefile(temporary, target):
            os.unlink(temporary)
        else:
            os.replace(temporary, target)
    return os.path.join(folder, os.path.basename(prefix))
