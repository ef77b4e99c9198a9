"""Print what a trainer pod exports when all figures of its ranks are known.

Run by the trainer's own interpreter, for the two projects share none.
Usage: trainer/.venv/bin/python trainer_samples.py SCRAPES RANK...
Of several scrapes, each followed by a NUL, the steps grow.
"""

import sys
import time
from typing import Optional

from efficientnet_trainer.meters import STAGES, STEP_BUCKETS_S
from efficientnet_trainer.metrics import render
from efficientnet_trainer.progress import RankState

TIMES = {"heartbeat", "last_progress", "checkpoint_saved_at"}
NUMBERS = {Optional[int]: 100, Optional[float]: 0.5}  # noqa: UP045 Python 3.7


def known_state(rank: int, steps: int) -> RankState:
    """Return a rank in training, of which every figure is known.

    Args:
        rank: its number.
        steps: how many it has made of each duration.
    """
    state = RankState(rank=rank, phase="training")
    for name, field in RankState.model_fields.items():
        if name in TIMES:
            setattr(state, name, time.time())
        elif field.annotation in NUMBERS:
            setattr(state, name, NUMBERS[field.annotation])
    state.step_seconds_counts = [steps] * (len(STEP_BUCKETS_S) + 1)
    state.step_seconds_sum = float(steps)
    state.start_seconds = dict.fromkeys(STAGES, 0.5)
    return state


if __name__ == "__main__":
    scrapes, *ranks = map(int, sys.argv[1:])
    for scrape in range(1, scrapes + 1):
        states = [known_state(rank, scrape) for rank in ranks]
        sys.stdout.buffer.write(render(lambda states=states: states) + b"\0")
