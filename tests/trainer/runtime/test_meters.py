"""Rates, shares and histograms from what is seen at each step."""

import subprocess
import sys

import pytest
from efficientnet_trainer.meters import (
    STEP_BUCKETS_S,
    InputMeter,
    RateMeter,
    Rates,
    StartClock,
    StepTimes,
    process_age_s,
    share,
)

STEPS = {
    "nothing was seen before": ([(0, 7, 0)], Rates(None, None)),
    "no step was made since": ([(0, 7, 0), (5, 7, 0)], Rates(None, None)),
    "two steps in four seconds": ([(0, 7, 0), (4, 9, 0)], Rates(0.5, 0.0)),
    "one of four seconds was waited": ([(0, 7, 3), (4, 9, 4)], Rates(0.5, 0.25)),
    "what is older than half a minute does not count": (
        [(0, 0, 0), (100, 1, 100), (110, 11, 105)],
        Rates(1.0, 0.5),
    ),
    "a wait of threads side by side is no more than all of the time": (
        [(0, 0, 0), (1, 1, 1.5)],
        Rates(1.0, 1.0),
    ),
}


@pytest.mark.parametrize("seen, wanted", STEPS.values(), ids=STEPS)
def test_rates(seen, wanted):
    times = iter([time for time, _, _ in seen])
    meter = RateMeter(lambda: next(times))
    found = [meter.measure(step, waited_s) for _, step, waited_s in seen]
    assert found[-1] == wanted


def test_a_share_of_no_time_is_nothing():
    assert share(1.0, 0.0) == 0.0


def test_step_times_count_each_step_of_a_loop():
    times = StepTimes()
    times.observe(STEP_BUCKETS_S[1])  # a bound belongs to its bucket
    times.observe(0.2, steps=100)
    times.observe(1000.0)
    figures = times.figures()
    counts = figures["step_seconds_counts"]
    assert len(counts) == len(STEP_BUCKETS_S) + 1
    assert counts[1] == 1
    assert counts[STEP_BUCKETS_S.index(0.25)] == 100
    assert counts[-1] == 1
    assert figures["step_seconds_sum"] == pytest.approx(0.025 + 20 + 1000)


def test_images_are_taken_once_and_the_newest():
    meter = InputMeter()
    assert meter.take_images() is None
    meter.keep_images("old")
    meter.keep_images("new")
    assert [meter.take_images(), meter.take_images()] == ["new", None]


def test_a_clock_that_is_put_back_takes_no_wait_away():
    meter = InputMeter()
    meter.add_wait(2.0)
    meter.add_wait(-3600.0)
    assert meter.waited_s == 2.0


def test_stages_of_a_start_count_once():
    ages = iter([3.0, 7.0, 7.5, 9.0])
    clock = StartClock(lambda: next(ages))
    reached = [clock.reach(s) for s in ("import", "graph", "session", "first_step", "graph")]
    assert reached == [True, True, True, True, False]
    assert clock.stages == {"import": 3.0, "graph": 4.0, "session": 0.5, "first_step": 1.5}
    assert clock.describe() == (
        "first step 9.0 s after the start: import 3.0, graph 4.0, session 0.5, first_step 1.5"
    )


def test_a_process_knows_its_age():
    program = (
        "import time; time.sleep(0.5); from efficientnet_trainer.meters import process_age_s;"
        "print(process_age_s())"
    )
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    assert 0.4 < float(done.stdout) < process_age_s() + 60
