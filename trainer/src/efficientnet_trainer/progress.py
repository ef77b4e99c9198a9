"""What a rank is doing, told by its process and served by the pod's launcher.

A child replaces one small file as it goes on; the launcher reads it on each request.  No
socket or pipe is needed, and the last state survives the process.  A heartbeat tells that
the process lives; only ``last_progress`` tells that it gets anywhere.
"""

import contextlib
import math
import os
import threading
import time
from typing import Any, Callable, Dict, List, Optional

from pydantic import BaseModel, ConfigDict, field_validator
from pydantic.alias_generators import to_camel

from efficientnet_trainer.meters import StartClock, process_age_s
from efficientnet_trainer.termination import write_whole

PHASES = ("waiting", "compiling", "training", "evaluating", "saving", "exporting", "done")

HEARTBEAT_S = 2.0
WRITE_EVERY_S = 0.5


class RankProgress(BaseModel):
    """One rank as ``/progress`` shows it; times are Unix seconds, unknown figures None."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, validate_assignment=True
    )

    rank: int
    phase: str = "waiting"
    heartbeat: Optional[float] = None
    last_progress: Optional[float] = None
    step: Optional[int] = None
    total_steps: Optional[int] = None
    epoch: Optional[float] = None
    images_per_second: Optional[float] = None
    loss: Optional[float] = None
    learning_rate: Optional[float] = None
    top1: Optional[float] = None
    top5: Optional[float] = None
    eta_seconds: Optional[float] = None

    @field_validator("*")
    @classmethod
    def _finite(cls, value: Any) -> Any:
        """JSON has no NaN: a figure that is none is unknown."""
        return None if isinstance(value, float) and not math.isfinite(value) else value


class RankState(RankProgress):
    """What a rank leaves for its launcher: its progress, and figures for metrics only."""

    evaluation_loss: Optional[float] = None
    restored_step: Optional[int] = None
    step_seconds_counts: Optional[List[int]] = None
    """Steps by duration: one count for each of ``STEP_BUCKETS_S``, and one for all longer."""
    step_seconds_sum: Optional[float] = None
    input_wait_ratio: Optional[float] = None
    input_wait_seconds: Optional[float] = None
    records_skipped: int = 0
    loss_scale: Optional[float] = None
    nan_steps: int = 0
    start_seconds: Dict[str, float] = {}
    """By stage of the start, those of ``meters.STAGES``."""
    checkpoint_step: Optional[int] = None
    checkpoint_saved_at: Optional[float] = None
    checkpoint_save_seconds: Optional[float] = None


CONTRACT_FIELDS = frozenset(RankProgress.model_fields)


def progress_path(folder: str, rank: int) -> str:
    """Return where a rank leaves its state."""
    return os.path.join(folder, f"rank-{rank}.json")


def read_state(folder: str, rank: int) -> RankState:
    """Return a rank's latest state; that of a rank which wrote none yet is ``waiting``."""
    try:
        with open(progress_path(folder, rank), "rb") as stream:
            return RankState.model_validate_json(stream.read())
    except FileNotFoundError:
        return RankState(rank=rank)


class ProgressReporter:
    """Keeps a rank's state and its file; safe to call from any thread."""

    def __init__(
        self,
        folder: Optional[str],
        rank: int,
        total_steps: Optional[int] = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Start with phase ``waiting``; without a folder (run by hand) nothing is written."""
        self._path = progress_path(folder, rank) if folder else None
        self._clock = clock
        self._lock = threading.Lock()
        self._written_at = 0.0
        self.state = RankState(rank=rank, total_steps=total_steps)
        self._start = StartClock(process_age_s)
        self.enter("waiting")

    def start_heartbeat(self) -> None:
        """Keep the file fresh from a thread of its own until the process ends."""
        if self._path:
            threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def enter(self, phase: str) -> None:
        """Enter a phase: progress of itself, and written at once."""
        self._update({"phase": phase, "last_progress": self._clock()}, at_once=True)

    def advance(self, **figures: Any) -> None:
        """Record a step or an evaluated batch, with whatever figures are known."""
        self._update(dict(figures, last_progress=self._clock()), at_once=False)

    def record(self, **figures: Any) -> None:
        """Record figures that are no progress, such as those of a checkpoint."""
        self._update(figures, at_once=True)

    def reach(self, stage: str) -> bool:
        """Note that a stage of the start is over; tell whether it was not so before."""
        is_new = self._start.reach(stage)
        if is_new:
            self.record(start_seconds=dict(self._start.stages))
        return is_new

    def describe_start(self) -> str:
        """Say in one line how long each stage of the start took."""
        return self._start.describe()

    def _beat(self) -> None:
        while True:
            time.sleep(HEARTBEAT_S)
            self._update({}, at_once=True)

    def _update(self, figures: Dict[str, Any], at_once: bool) -> None:
        with self._lock:
            now = self._clock()
            for name, value in figures.items():
                setattr(self.state, name, value)
            self.state.heartbeat = now
            if self._path and (at_once or now - self._written_at >= WRITE_EVERY_S):
                self._written_at = now
                # A full disk is no reason to stop training: what is told of it is only late.
                with contextlib.suppress(OSError):
                    write_whole(self._path, self.state.model_dump_json(by_alias=True).encode())
