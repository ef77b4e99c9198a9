"""Turn what is seen at each step into rates, shares and a histogram.

Pure but for the clock.  ``hooks`` feeds them, ``progress`` carries their figures to the
launcher, ``metrics`` exports them.
"""

import bisect
import os
import threading
import time
from collections import deque
from typing import Any, Callable, Deque, Dict, List, NamedTuple, Optional, Tuple

WINDOW_S = 30.0

STEP_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds: an NPU makes a step of 256 images in 0.2 s, a CPU one of 64 in seconds."""

STAGES = ("import", "graph", "session", "first_step")
"""What a start consists of, in order; ``first_step`` compiles the graph."""


class Rates(NamedTuple):
    """What the last half minute came to; None where nothing can be told yet."""

    steps_per_s: Optional[float]
    wait_ratio: Optional[float]
    """Share of the time that was spent waiting for input, 0 to 1."""


class RateMeter:
    """Steps per second over the last half minute, and the share of it that input took."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without a rate."""
        self._clock = clock
        self._seen: Deque[Tuple[float, int, float]] = deque()

    def measure(self, step: int, waited_s: float = 0.0) -> Rates:
        """Note that ``step`` is done and return the rates.

        Args:
            step: steps so far.
            waited_s: seconds waited for input so far, in all.
        """
        now = self._clock()
        self._seen.append((now, step, waited_s))
        while len(self._seen) > 2 and now - self._seen[0][0] > WINDOW_S:
            self._seen.popleft()
        then, first_step, waited_before_s = self._seen[0]
        if step <= first_step or now <= then:
            return Rates(None, None)
        waited_s -= waited_before_s
        return Rates((step - first_step) / (now - then), share(waited_s, now - then))


def share(part_s: float, whole_s: float) -> float:
    """Return a part of a time as a ratio; clocks and threads may put it a hair outside 0 to 1."""
    return min(max(part_s / whole_s, 0.0), 1.0) if whole_s > 0 else 0.0


class StepTimes:
    """A histogram of the seconds that steps took, as Prometheus counts them."""

    def __init__(self, counts: Optional[List[int]] = None, sum_s: Optional[float] = None) -> None:
        """Start empty, or go on from the figures of an earlier session of the process."""
        self._counts = list(counts or [0] * (len(STEP_BUCKETS_S) + 1))
        self._sum_s = sum_s or 0.0

    def observe(self, seconds: float, steps: int = 1) -> None:
        """Count ``steps`` that took ``seconds`` each."""
        self._counts[bisect.bisect_left(STEP_BUCKETS_S, seconds)] += steps
        self._sum_s += seconds * steps

    def figures(self) -> Dict[str, Any]:
        """Return the fields of ``RankState``; counts are not cumulative here."""
        return {"step_seconds_counts": list(self._counts), "step_seconds_sum": self._sum_s}


class InputMeter:
    """What the input pipeline tells of itself, from whichever thread runs it."""

    def __init__(self) -> None:
        """Start with no wait and no images."""
        self._lock = threading.Lock()
        self._waited_s = 0.0
        self._images: Optional[Any] = None

    @property
    def waited_s(self) -> float:
        """Seconds that the consumer of the pipeline waited so far."""
        return self._waited_s

    def add_wait(self, seconds: float) -> None:
        """Add one batch's wait; the wall clock may have been put back meanwhile."""
        with self._lock:
            self._waited_s += max(float(seconds), 0.0)

    def keep_images(self, images: Any) -> None:
        """Keep samples of a batch, uint8 [n, h, w, 3], until they are taken."""
        with self._lock:
            self._images = images

    def take_images(self) -> Optional[Any]:
        """Return samples that nobody has taken yet, or None."""
        with self._lock:
            images, self._images = self._images, None
            return images


class StartClock:
    """How long each stage of a process's start took."""

    def __init__(self, age_s: Callable[[], float]) -> None:
        """Take the function that tells how old the process is."""
        self._age_s = age_s
        self.stages: Dict[str, float] = {}

    def reach(self, stage: str) -> bool:
        """Note that ``stage`` is over, and tell whether it is the first time that it is."""
        if stage in self.stages:
            return False
        self.stages[stage] = self._age_s() - sum(self.stages.values())
        return True

    def describe(self) -> str:
        """Say in one line what the start consisted of."""
        parts: List[str] = [f"{stage} {self.stages.get(stage, 0):.1f}" for stage in STAGES]
        return f"first step {sum(self.stages.values()):.1f} s after the start: {', '.join(parts)}"


def process_age_s() -> float:
    """Return the seconds since this process was started (resolution 10 ms)."""
    with open("/proc/self/stat", encoding="ascii", errors="replace") as stream:
        # The command's name, in brackets, may hold blanks and brackets of its own.
        fields = stream.read().rpartition(")")[2].split()
    started_s = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(_CLOCK_BOOTTIME) - started_s


_CLOCK_BOOTTIME = 7
"""Linux's clock that counts from boot; Python 3.7 has no name for it."""
