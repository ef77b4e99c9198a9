"""Pictures of the dashboards: every panel is drawn, with and without data."""

import io
from math import nan

import pytest
from dashboards.answers import key_of
from dashboards.boards import BOARDS
from dashboards.drawing import draw
from matplotlib.text import Text

LABELS = {"namespace": "a", "job_name": "b0", "phase": "Running"}


def answer(target, curves):
    """Return so many curves with a gap, or single points."""
    times = [100.0, 110.0, 120.0] if target["range"] else [120.0]
    return [
        ({**LABELS, "rank": str(n)}, [(at, nan if at == 110 else 7.0 + n) for at in times])
        for n in range(curves)
    ]


def answers(board, curves):
    return {
        key_of(panel, target): answer(target, curves)
        for panel in board["panels"]
        for target in panel.get("targets", [])
    }


def words(figure):
    figure.savefig(io.BytesIO(), dpi=20)
    return [text.get_text().strip() for text in figure.findobj(Text) if text.get_text()]


@pytest.mark.parametrize("curves", [1, 12])
@pytest.mark.parametrize("name", BOARDS)
def test_all_panels_are_drawn(name, curves):
    board = BOARDS[name]
    found = words(draw(board, answers(board, curves), "of a test"))
    assert {board["title"], "of a test", *(p["title"] for p in board["panels"])} <= set(found)
    assert "No data" not in found
    assert ("4 of 12:" in found) == (curves == 12)


@pytest.mark.parametrize("name", BOARDS)
def test_a_panel_without_data_says_so(name):
    board = BOARDS[name]
    found = words(draw(board, answers(board, 0), "of a test"))
    assert found.count("No data") == sum(p["type"] != "row" for p in board["panels"])
