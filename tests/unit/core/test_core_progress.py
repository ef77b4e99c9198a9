"""Progress takes only what the status has a place for."""

import json
from pathlib import Path

import pytest
from core_builders import T0
from efficientnet_operator.api.status import Progress
from efficientnet_operator.core.conditions import format_time
from efficientnet_operator.core.progress import build_progress, finish_progress, parse_progress
from hypothesis import given
from hypothesis import strategies as st

CONTRACT = Path(__file__).parents[2] / "contract"
NOW = format_time(T0)


def test_the_contracts_progress():
    entry = parse_progress(json.loads((CONTRACT / "progress.json").read_text()))
    assert build_progress(entry, 300, T0) == {
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
    "rank 0 beside another": (
        {"ranks": [{"rank": 1}, {"rank": 0, "step": 1}]},
        {"rank": 0, "step": 1},
    ),
    "another rank alone": ({"ranks": [{"rank": 1}]}, None),
    "no ranks": ({}, None),
    "ranks of a wrong type": ({"ranks": {"rank": 0}}, None),
    "an entry of a wrong type": ({"ranks": ["0", None]}, None),
    "a list": ([], None),
    "nothing": (None, None),
}


@pytest.mark.parametrize("document, want", ANSWERS.values(), ids=ANSWERS)
def test_parse_progress(document, want):
    assert parse_progress(document) == want


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
