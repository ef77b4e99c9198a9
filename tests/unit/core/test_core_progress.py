"""Progress takes only what the status has a place for."""

import json
from pathlib import Path

import pytest
from core_builders import T0, a_report
from efficientnet_operator.api.status import Progress
from efficientnet_operator.core.conditions import format_time
from efficientnet_operator.core.progress import (
    build_progress,
    find_most_silent,
    finish_progress,
    parse_progress,
)
from hypothesis import given
from hypothesis import strategies as st

CONTRACT = Path(__file__).parents[2] / "contract"
NOW = format_time(T0)


def test_the_contracts_progress():
    document = json.loads((CONTRACT / "progress.json").read_text())
    (report,) = parse_progress(document, "p", answered_at=1767225622.1)
    assert (report.rank, report.pod, report.silent_s) == (0, "p", pytest.approx(10))
    assert build_progress(report.entry, 300, T0) == {
        "phase": "training",
        "step": 120,
        "totalSteps": 300,
        "percent": 40.0,
        "epoch": 5.36,
        "imagesPerSecond": 148.2,
        "loss": 0.8127,
        "learningRate": 0.001,
        "etaSeconds": 78,
        "lastUpdated": NOW,
    }


ANSWERS = {
    "two ranks": ({"ranks": [{"rank": 1}, {"rank": 0, "step": 1}]}, [1, 0]),
    "no ranks": ({}, []),
    "ranks of a wrong type": ({"ranks": {"rank": 0}}, []),
    "entries of a wrong type": ({"ranks": ["0", None, {"rank": 2}]}, [2]),
    "a rank of a wrong type": ({"ranks": [{"rank": "0"}, {"rank": -1}, {}]}, []),
    "a list": ([], []),
    "nothing": (None, []),
}


@pytest.mark.parametrize("document, want", ANSWERS.values(), ids=ANSWERS)
def test_parse_progress(document, want):
    assert [r.rank for r in parse_progress(document, "p", 0.0)] == want


SILENCE = {
    "a step a while ago": ({"phase": "training", "lastProgress": 40.0}, 60.0),
    "a heartbeat does not count": (
        {"phase": "training", "lastProgress": 40.0, "heartbeat": 99.0},
        60.0,
    ),
    "evaluation counts its batches": ({"phase": "evaluating", "lastProgress": 90.0}, 10.0),
    "before the first step": ({"phase": "compiling", "lastProgress": 40.0}, None),
    "waiting": ({"phase": "waiting", "lastProgress": 40.0}, None),
    "a clock that went back": ({"phase": "training", "lastProgress": 101.0}, 0.0),
    "no time": ({"phase": "training"}, None),
    "a time of a wrong type": ({"phase": "training", "lastProgress": "40"}, None),
}


@pytest.mark.parametrize("entry, want", SILENCE.values(), ids=SILENCE)
def test_silence_counts_from_the_last_progress(entry, want):
    (report,) = parse_progress({"ranks": [{"rank": 0, **entry}]}, "p", answered_at=100.0)
    assert report.silent_s == want


def test_the_most_silent_rank_is_found():
    reports = [
        a_report(0, silent_s=10.0),
        a_report(3, silent_s=50.0),
        a_report(2, silent_s=50.0),
        a_report(1, silent_s=None),
    ]
    assert find_most_silent(reports).rank == 2
    assert find_most_silent(reports[3:]) is None
    assert find_most_silent([]) is None


LEFT_OUT = {
    "not a number": {"loss": float("nan")},
    "infinity": {"loss": float("inf")},
    "a loss in words": {"loss": "0.5"},
    "a truth value": {"top1": True},
    "a phase of a wrong type": {"phase": 3},
    "a step with a fraction": {"step": 1.5},
    "a step that is a truth value": {"step": True},
    "a negative step": {"step": -1},
    "a step beyond 64 bits": {"step": 2**63},
    "an endless rest": {"etaSeconds": float("inf")},
    "an unknown figure": {"mood": 1.0},
}


@pytest.mark.parametrize("entry", LEFT_OUT.values(), ids=LEFT_OUT)
def test_figures_that_are_none_are_left_out(entry):
    assert build_progress(entry, 300, T0) == {"totalSteps": 300, "lastUpdated": NOW}


def test_percent_ends_at_100():
    assert build_progress({"step": 301}, 300, T0)["percent"] == 100.0


def test_the_final_figures_are_those_of_the_termination_message():
    report = json.loads((CONTRACT / "termination-completed.json").read_text())
    before = {"phase": "training", "step": 280, "totalSteps": 300, "epoch": 9.0, "etaSeconds": 9}
    assert finish_progress(before, report, T0) == {
        "phase": "done",
        "step": 300,
        "totalSteps": 300,
        "percent": 100.0,
        "epoch": 9.0,
        "etaSeconds": 0,
        "loss": 0.0612,
        "top1": 0.987,
        "top5": 1.0,
        "lastUpdated": NOW,
    }


FINALS = {
    "no report keeps the last figures": (
        {"step": 7, "totalSteps": 9},
        {},
        {"step": 7, "percent": 77.8},
    ),
    "a wrong report keeps them too": (
        {"step": 7, "totalSteps": 9, "top1": 0.5},
        {"step": 8.5, "top1": "high", "loss": float("nan")},
        {"step": 7, "percent": 77.8, "top1": 0.5},
    ),
    "nothing was ever polled": ({}, {"step": 9}, {"step": 9}),
    "nothing is known": ({}, {}, {}),
}


@pytest.mark.parametrize("before, report, want", FINALS.values(), ids=FINALS)
def test_finish_progress(before, report, want):
    found = finish_progress(before, report, T0)
    fixed = {"phase": "done", "etaSeconds": 0, "lastUpdated": NOW}
    rest = {k: before[k] for k in ("totalSteps",) if k in before}
    assert found == {**fixed, **rest, **want}


JSON = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
FIGURES = st.sampled_from(
    [
        "phase",
        "step",
        "epoch",
        "imagesPerSecond",
        "loss",
        "learningRate",
        "top1",
        "etaSeconds",
        "x",
    ]
)


@given(entry=st.dictionaries(FIGURES, JSON), report=st.dictionaries(FIGURES, JSON))
def test_whatever_is_reported_the_status_stays_one_that_the_server_takes(entry, report):
    progress = build_progress(entry, 300, T0)
    for found in (progress, finish_progress(progress, report, T0)):
        json.dumps(found, allow_nan=False)
        parsed = Progress.model_validate(found, strict=False)
        assert parsed.step is None or parsed.step >= 0
