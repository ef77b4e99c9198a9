"""Draw a dashboard as Grafana lays it out, from its JSON and what its queries returned.

For the documentation: Grafana itself needs a browser and a login, and a picture must be made
again whenever a panel changes.  Places, titles, units, legends and thresholds are those of the
JSON; the looks are matplotlib's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, nan
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from dashboards.answers import Curve, key_of
from dashboards.words import color_of, format_value, name_series, tabulate

GRID_WIDTH = 24
INCHES_PER_COLUMN, INCHES_PER_ROW = 0.58, 0.36
GAP = 0.12
"""Between panels, in columns and rows."""
COLORS = {"green": "#1a7f37", "yellow": "#b08800", "orange": "#bc4c00", "red": "#cf222e"}
COLORS_OF_CURVES = [matplotlib.colormaps["tab20"](i) for i in (*range(0, 20, 2), *range(1, 20, 2))]
FRAME, TEXT, FAINT = "#d0d7de", "#1f2328", "#656d76"
MOST_IN_LEGEND = 6

Answers = Mapping[str, list[Curve]]
Times = list[float]
"""Of all points of all curves, which are asked for at the same ones."""


def draw(board: Mapping[str, Any], answers: Answers, caption: str) -> Figure:
    """Return a picture of a whole dashboard.

    Args:
        board: its JSON.
        answers: what `answers.ask` returned.
        caption: under the title: which data it shows.
    """
    rows = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in board["panels"])
    head = 2.2
    size = (GRID_WIDTH * INCHES_PER_COLUMN, (rows + head) * INCHES_PER_ROW)
    figure = Figure(figsize=size, facecolor="#f6f8fa")
    figure.text(0.006, 1 - 0.9 / (rows + head), board["title"], fontsize=15, color=TEXT)
    figure.text(0.006, 1 - 1.8 / (rows + head), caption, fontsize=9, color=FAINT)
    curves = (points for found in answers.values() for _, points in found if len(points) > 1)
    times = sorted({at for points in curves for at, _ in points})
    for panel in board["panels"]:
        place = panel["gridPos"]
        top = place["y"] + head
        box = (
            (place["x"] + GAP / 2) / GRID_WIDTH,
            1 - (top + place["h"] - GAP / 2) / (rows + head),
            (place["w"] - GAP) / GRID_WIDTH,
            (place["h"] - GAP) / (rows + head),
        )
        _draw_panel(figure, box, panel, answers, times)
    return figure


def _draw_panel(
    figure: Figure,
    box: tuple[float, float, float, float],
    panel: Any,
    answers: Answers,
    times: Times,
) -> None:
    axes = figure.add_axes(box)
    axes.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1))
    if panel["type"] == "row":
        axes.axis("off")
        axes.text(0, 0.3, panel["title"], fontsize=11, fontweight="bold", color=TEXT)
        return
    for spine in axes.spines.values():
        spine.set_color(FRAME)
    axes.set_title(f"  {panel['title']}", loc="left", y=1, pad=-12, fontsize=9, color=TEXT)
    found = {t["refId"]: answers[key_of(panel, t)] for t in panel["targets"]}
    if not any(found.values()):
        axes.text(0.5, 0.42, "No data", ha="center", va="center", fontsize=10, color=FAINT)
    elif panel["type"] == "table":
        _draw_table(axes, panel, found)
    elif panel["type"] == "stat":
        _draw_figure(axes, panel, found)
    else:
        left, bottom, width, height = box
        rows = panel["gridPos"]["h"]
        # Room for the title above, the legend and the times below, the scale at the left.
        inner = (
            left + 1.0 / GRID_WIDTH,
            bottom + height * 2.1 / rows,
            width - 1.3 / GRID_WIDTH,
            height * (rows - 3.3) / rows,
        )
        _draw_curves(figure.add_axes(inner), panel, found, times)


def _draw_figure(axes: Axes, panel: Any, found: Mapping[str, list[Curve]]) -> None:
    """Write the last value, or the name of its series, in the colour of its threshold."""
    (target,) = panel["targets"]
    labels, points = found[target["refId"]][0]
    value = points[-1][1]
    text = format_value(value, panel["fieldConfig"]["defaults"]["unit"])
    if panel["options"]["textMode"] == "name":
        text = name_series(target["legendFormat"], labels)
    color = COLORS[color_of(value, panel)]
    axes.text(0.5, 0.4, text, ha="center", va="center", fontsize=22, color=color)


def _draw_table(axes: Axes, panel: Any, found: Mapping[str, list[Curve]]) -> None:
    head, rows = tabulate(panel, found)
    for line, cells in enumerate([head, *rows]):
        for column, cell in enumerate(cells):
            axes.text(
                0.012 + 0.98 * column / len(head),
                0.78 - 0.11 * line,
                cell,
                fontsize=9,
                fontweight="bold" if line == 0 else "normal",
                color=TEXT,
            )


def _draw_curves(axes: Axes, panel: Any, found: Mapping[str, list[Curve]], times: Times) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    custom = defaults["custom"]
    named = [
        (name_series(target["legendFormat"], labels), points)
        for target in panel["targets"]
        for labels, points in found[target["refId"]]
    ]
    minutes = [(at - times[0]) / 60 for at in times]
    below: dict[float, float] = {}
    lines = []
    for number, (_, points) in enumerate(named):
        color = COLORS_OF_CURVES[number % len(COLORS_OF_CURVES)]
        known = dict(points)
        values = [known.get(at, nan) for at in times]
        if "stacking" in custom:
            base = [below.get(at, 0.0) for at in times]
            values = [low + value for low, value in zip(base, values, strict=True)]
            axes.fill_between(minutes, base, values, color=color, alpha=0.3, linewidth=0)
            below |= {at: top for at, top in zip(times, values, strict=True) if isfinite(top)}
        # A series of one point has no line.
        marker = "." if len(points) < 3 else ""
        lines += axes.plot(minutes, values, color=color, linewidth=1.2, marker=marker)
    if custom.get("thresholdsStyle", {}).get("mode") == "dashed":
        low, high = axes.get_ylim()
        for step in defaults["thresholds"]["steps"]:
            if step["value"] is not None and low <= step["value"] <= 1.3 * high:
                axes.axhline(step["value"], linestyle="--", color=COLORS[step["color"]])
    _scale_axes(axes, minutes[-1], defaults["unit"])
    highest = [max((v for _, v in points if isfinite(v)), default=0.0) for _, points in named]
    _draw_legend(axes, lines, [name for name, _ in named], highest)


def _draw_legend(
    axes: Axes, lines: Sequence[Any], names: Sequence[str], highest: Sequence[float]
) -> None:
    """Name the curves; of many those that reach highest, for there is no room to scroll."""
    by_height = sorted(range(len(names)), key=lambda number: -highest[number])
    # The line that tells of the others takes the room of two names.
    room = MOST_IN_LEGEND if len(names) <= MOST_IN_LEGEND else MOST_IN_LEGEND - 2
    shown = sorted(by_height[:room])
    axes.legend(
        [lines[number] for number in shown],
        [names[number] for number in shown],
        title=f"{len(shown)} of {len(names)}:" if len(shown) < len(names) else None,
        title_fontsize=7,
        loc="upper left",
        bbox_to_anchor=(-0.08, -0.13),
        ncols=4 if max(map(len, names)) < 12 else 2,
        fontsize=7,
        frameon=False,
        borderaxespad=0,
    )


def _scale_axes(axes: Axes, minutes: float, unit: str) -> None:
    """Begin at 0, show the same time in all panels, and write values in their unit."""
    low, high = axes.get_ylim()
    axes.set(xlim=(0, minutes), ylim=(0, high) if high > -low else (0, 1))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_value(value, unit)))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda minute, _: f"{minute:g} min"))
    axes.tick_params(labelsize=7, colors=FAINT, length=2)
    axes.grid(color=FRAME, linewidth=0.5)
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_color(FRAME)
