"""Conditions: times move only when the status flips, and the phase is derived."""

from datetime import timedelta

import pytest
from core_builders import T0
from efficientnet_operator.core.conditions import PHASES, Conditions, format_time

LATER = T0 + timedelta(minutes=3)


def conditions(*items, now=LATER, generation=2):
    return Conditions.parse(items, generation, now)


def stored(kind="Running", status="True", reason="AllRanksReady", **more):
    condition = {"type": kind, "status": status, "reason": reason, "message": "m"}
    return {**condition, "lastTransitionTime": format_time(T0), **more}


SETS = {
    "a new condition gets the time": ([], (True, "A", "m"), LATER, True),
    "a flip gets the time": ([stored(status="False")], (True, "A", "m"), LATER, True),
    "another reason keeps it": ([stored()], (True, "A", "m"), T0, True),
    "another message keeps it, and is no change to tell of": (
        [stored()],
        (True, "AllRanksReady", "other"),
        T0,
        False,
    ),
    "the same again changes nothing": ([stored()], (True, "AllRanksReady", "m"), T0, False),
}


@pytest.mark.parametrize("before, now, time, told", SETS.values(), ids=SETS)
def test_set(before, now, time, told):
    found = conditions(*before)
    found.set("Running", *now)
    (condition,) = found.to_list()
    assert condition["lastTransitionTime"] == format_time(time)
    assert condition["status"] == ("True" if now[0] else "False")
    assert (condition["reason"], condition["message"]) == now[1:]
    assert condition["observedGeneration"] == 2
    assert bool(found.changed) == told
    assert found.since("Running") == time


def test_a_stored_condition_without_a_time_gets_one():
    condition = stored()
    del condition["lastTransitionTime"]
    found = conditions(condition)
    assert found.since("Running") is None
    found.set("Running", True, "AllRanksReady")
    assert found.since("Running") == LATER


def test_parsing_leaves_the_stored_status_alone():
    condition = stored()
    conditions(condition).set("Running", False, "Lost")
    assert condition == stored()


def test_clear_touches_only_what_is_true():
    found = conditions(stored(), stored("Created", "False"))
    for kind in ("Running", "Created", "Scheduled"):
        found.clear(kind, "Restarting")
    assert [(c["type"], c["status"], c["reason"]) for c in found.to_list()] == [
        ("Running", "False", "Restarting"),
        ("Created", "False", "AllRanksReady"),
    ]
    assert found.changed == [("Running", False, "Restarting", "")]


PHASE_CASES = {
    "nothing yet": ((), "Pending"),
    "created": (("Created",), "Pending"),
    "placed": (("Created", "Scheduled"), "Allocating"),
    "table published": (("Created", "Scheduled", "Allocated"), "Starting"),
    "training": (("Created", "Scheduled", "Allocated", "Running"), "Running"),
    "between two attempts": (("Restarting",), "Restarting"),
    "the next attempt has its table": (("Restarting", "Created", "Allocated"), "Restarting"),
    "suspended": (("Suspended",), "Suspended"),
    "done": (("Created", "Scheduled", "Allocated", "Succeeded"), "Succeeded"),
    "failed beats all": (tuple(kind for kind, _ in PHASES), "Failed"),
}


@pytest.mark.parametrize("kinds, want", PHASE_CASES.values(), ids=PHASE_CASES)
def test_phase(kinds, want):
    assert conditions(*(stored(kind) for kind in kinds)).phase() == want


def test_a_false_condition_makes_no_phase():
    assert conditions(stored(status="False")).phase() == "Pending"
