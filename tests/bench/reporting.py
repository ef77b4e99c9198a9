"""What every benchmark leaves in tests/bench/out: a table on the terminal, a JSON file, a plot."""

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from matplotlib.figure import Figure

OUTPUT = Path(__file__).resolve().parent / "out"


@dataclass(frozen=True)
class Figures:
    """One measured quantity.

    Attributes:
        name: what was measured, with its unit.
        values: each round's or rank's value.
        bar: what the largest value must stay below; None where there is no bar.
        floor: the same quantity without our code, measured in the same run.
        least: what the median must reach, where more is better.
    """

    name: str
    values: list[float]
    bar: float | None = None
    floor: float | None = None
    least: float | None = None

    @property
    def median(self) -> float:
        return sorted(self.values)[len(self.values) // 2]

    @property
    def within(self) -> bool:
        below = self.bar is None or max(self.values) < self.bar
        return below and (self.least is None or self.median >= self.least)


def report(benchmark: str, rows: list[Figures], facts: dict[str, object] | None = None) -> bool:
    """Print the table, write JSON and plot; return whether every bar holds."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    machine = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 1),
    }
    document = machine | {"figures": [asdict(row) for row in rows], "facts": facts or {}}
    (OUTPUT / f"{benchmark}.json").write_text(json.dumps(document, indent=1) + "\n")
    width = max(len(row.name) for row in rows)
    print(f"{'figure':<{width}} {'median':>8} {'largest':>8} {'bar':>8} {'floor':>8} {'ratio':>6}")
    for row in rows:
        ratio = row.median / row.floor if row.floor else None
        bar = row.least if row.bar is None else row.bar
        cells = [(row.median, 8), (max(row.values), 8), (bar, 8), (row.floor, 8), (ratio, 6)]
        print(f"{row.name:<{width}} " + " ".join(_cell(value, wide) for value, wide in cells))
    for name, value in (facts or {}).items():
        print(f"{name}: {value}")
    _plot(benchmark, rows)
    print(f"{' '.join(f'{k} {v}' for k, v in machine.items())}; see {OUTPUT / benchmark}.*")
    return all(row.within for row in rows)


def _cell(value: float | None, width: int) -> str:
    return f"{'' if value is None else f'{value:.2f}':>{width}}"


def _plot(benchmark: str, rows: list[Figures]) -> None:
    """Draw one panel for each figure: its values as dots, its bar and floor as lines."""
    figure = Figure(figsize=(7, 0.9 * len(rows) + 0.6), layout="constrained")
    panels = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
    for panel, row in zip(panels, rows, strict=True):
        panel.scatter(row.values, [0] * len(row.values), alpha=0.6)
        bar = row.least if row.bar is None else row.bar
        for at, colour, word in ((bar, "tab:red", "bar"), (row.floor, "tab:green", "floor")):
            if at is not None:
                panel.axvline(at, color=colour, label=f"{word} {at:.3g}")
                panel.legend(loc="center right", fontsize="x-small")
        panel.set_xlim(left=0)
        panel.set_yticks([])
        panel.set_title(row.name, loc="left", fontsize="small")
    figure.savefig(OUTPUT / f"{benchmark}.svg")
    figure.savefig(OUTPUT / f"{benchmark}.png", dpi=120)
