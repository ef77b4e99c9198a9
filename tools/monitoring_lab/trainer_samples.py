"""Print what a trainer pod exports when all figures of its ranks are known.

Run by the trainer's own interpreter, for the two projects share none.
Usage: trainer/.venv/bin/python trainer_samples.py RANK...
"""

import sys
import time
from typing import Optional

from efficientnet_trainer.metrics import render
from efficientnet_trainer.progress import RankState

TIMES = {"heartbeat", "last_progress", "checkpoint_saved_at"}
NUMBERS = {Optional[int]: 100, Optional[float]: 0.5}  # noqa: UP045 Python 3.7


def known_state(rank: int) -> RankState:
    """Return a rank in training, of which every figure is known."""
    state = RankState(rank=rank, phase="training")
    for name, field in RankState.model_fields.items():
        if name in TIMES:
            setattr(state, name, time.time())
        elif field.annotation in NUMBERS:
            setattr(state, name, NUMBERS[field.annotation])
    return state


if __name__ == "__main__":
    states = [known_state(int(rank)) for rank in sys.argv[1:]]
    sys.stdout.buffer.write(render(lambda: states))
