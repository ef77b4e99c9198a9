"""Write what was measured: a table on the terminal, a JSON list and a plot in tests/bench/out."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from matplotlib.figure import Figure
from reporting import OUTPUT


@dataclass(frozen=True)
class Result:
    """One measured figure.

    Attributes:
        npus: NPUs of all its jobs.
        measure: what was timed.
        seconds: the operator's.
        floor_seconds: the bare loop's in the same run; None where there is none.
        requests_per_pod: the operator's requests up to Running, by verb and resource.
        peak_memory_mb: the operator's largest resident memory of the whole round, 10^6 bytes.
        cpu_seconds: the operator's, up to Running.
    """

    npus: int
    measure: str
    seconds: float
    floor_seconds: float | None
    requests_per_pod: dict[str, float]
    peak_memory_mb: float
    cpu_seconds: float

    @property
    def ratio(self) -> float | None:
        """The operator's seconds for each of the floor's."""
        return self.seconds / self.floor_seconds if self.floor_seconds else None

    @property
    def writes_per_pod(self) -> float:
        """Requests of a pod that change something."""
        reads = ("get", "list", "watch")
        return sum(n for what, n in self.requests_per_pod.items() if not what.startswith(reads))


def tell(results: Sequence[Result], *, head: bool) -> None:
    """Print results as rows of a table, below its head if that is wanted."""
    if head:
        print(
            f"{'NPUs':>5} {'measure':<38} {'s':>8} {'floor s':>8} {'ratio':>6}"
            f" {'writes/pod':>10} {'CPU s':>6} {'peak MB':>8}"
        )
    for r in results:
        floor = f"{r.floor_seconds:.2f}" if r.floor_seconds else ""
        ratio = f"{r.ratio:.2f}" if r.ratio else ""
        print(
            f"{r.npus:>5} {r.measure:<38} {r.seconds:>8.2f} {floor:>8} {ratio:>6}"
            f" {r.writes_per_pod:>10.2f} {r.cpu_seconds:>6.1f} {r.peak_memory_mb:>8.1f}",
            flush=True,
        )


def keep(results: Sequence[Result]) -> None:
    """Write ``operator.json`` and ``operator.png``."""
    OUTPUT.mkdir(exist_ok=True)
    rows = [asdict(r) | {"ratio": r.ratio, "writes_per_pod": r.writes_per_pod} for r in results]
    (OUTPUT / "operator.json").write_text(json.dumps(rows, indent=1) + "\n")
    _plot(results)


def _plot(results: Sequence[Result]) -> None:
    """Draw seconds against NPUs, a panel for each measure with a floor."""
    compared = [r for r in results if r.floor_seconds and " jobs" not in r.measure]
    measures = list(dict.fromkeys(r.measure for r in compared))
    if not measures:
        return
    figure = Figure(figsize=(3.4 * len(measures), 3.2), layout="constrained")
    for panel, measure in zip(
        figure.subplots(1, len(measures), squeeze=False)[0], measures, strict=True
    ):
        rows = sorted((r for r in compared if r.measure == measure), key=lambda r: r.npus)
        npus = [r.npus for r in rows]
        panel.plot(npus, [r.seconds for r in rows], marker="o", label="operator")
        floors = [r.floor_seconds or 0 for r in rows]
        panel.plot(npus, floors, marker="o", linestyle="--", label="bare loop")
        panel.set_title(measure, fontsize="medium")
        panel.set_xlabel("NPUs")
        panel.set_ylim(bottom=0)
    figure.axes[0].set_ylabel("seconds")
    figure.axes[0].legend()
    figure.savefig(OUTPUT / "operator.png", dpi=120)
