"""Curves as SVG: inside their frame, with round numbers beside them."""

import pytest
from efficientnet_operator.ui.curves import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    draw,
    find_ticks,
)
from hypothesis import given
from hypothesis import strategies as st

TICKS = {
    "to a whole number": (0, 350, [0, 100, 200, 300, 400]),
    "a share": (0.12, 0.97, [0, 0.5, 1]),
    "small ones": (0.001, 0.004, [0.001, 0.002, 0.003, 0.004]),
    "large ones": (11_000, 11_900, [11_000, 11_500, 12_000]),
    "across zero": (-1, 1, [-1, -0.5, 0, 0.5, 1]),
    "a constant": (5, 5, [4.5, 5, 5.5]),
    "a float's last bit": (0, 5e-324, [-1, -0.5, 0, 0.5, 1]),
    "nothing": (0, 0, [-1, -0.5, 0, 0.5, 1]),
}


@pytest.mark.parametrize("low, high, wanted", TICKS.values(), ids=TICKS)
def test_ticks_are_round(low, high, wanted):
    assert find_ticks(low, high) == pytest.approx(wanted)


FIGURES = st.floats(-1e9, 1e9, allow_nan=False)


@given(FIGURES, FIGURES)
def test_ticks_enclose_what_they_measure(one, other):
    low, high = sorted((one, other))
    ticks = find_ticks(low, high)
    slack = (ticks[-1] - ticks[0]) * 1e-6
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack
    assert 2 <= len(ticks) <= 7
    assert ticks == sorted(ticks)


def test_one_point_is_no_curve():
    assert draw("loss", [(1, 2.0)]) is None
    assert draw("loss", []) is None


@given(st.dictionaries(st.integers(0, 10**7), FIGURES, min_size=2, max_size=50))
def test_curves_stay_in_their_frame(values):
    curve = draw("loss", sorted(values.items()))
    points = [tuple(map(float, pair.split(","))) for pair in curve.points.split()]
    assert len(points) == len(values)
    assert (points[0][0], points[-1][0]) == (LEFT, WIDTH - RIGHT)
    assert all(TOP - 0.1 <= y <= HEIGHT - BOTTOM + 0.1 for _, y in points)
    assert all(LEFT <= tick.at <= WIDTH - RIGHT for tick in curve.columns)


def test_larger_values_are_higher():
    curve = draw("top-1", [(0, 0.1), (100, 0.9)])
    low, high = (float(pair.split(",")[1]) for pair in curve.points.split())
    assert low > high
    assert (curve.title, curve.last) == ("top-1", "0.9")
    assert [tick.label for tick in curve.columns] == ["0", "50", "100"]
