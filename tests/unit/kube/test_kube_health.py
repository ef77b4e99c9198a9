"""When the operator counts as standing still, and what it then says."""

import pytest
from efficientnet_operator.kube.health import describe_stall

STALLS = {
    "all well": (1, {"pods": 59.0, "configmaps": 3.0}, ""),
    "the loop": (60, {"pods": 1.0}, "the event loop stands still for 60 s"),
    "a watch": (
        1,
        {"pods": 5.0, "configmaps": 900.0},
        "the watch of configmaps is silent for 900",
    ),
    "a watch that was only just renewed": (1, {"pods": 899.0}, ""),
    "a watch that is not open": (1, {"pods": None}, ""),
}


@pytest.mark.parametrize("loop_still_s, silent_s, want", STALLS.values(), ids=STALLS)
def test_stalls(loop_still_s, silent_s, want):
    found = describe_stall(loop_still_s, silent_s)
    assert found.startswith(want)
    assert bool(found) == bool(want)
