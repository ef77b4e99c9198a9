"""``efficientnet-trainer plot``: draw how a run went, from its TensorBoard files.

For a look without TensorBoard, and for a report.  matplotlib is needed here alone, so it is
the package's extra ``plot``: pods do without.
"""

import argparse
import contextlib
import os
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

from efficientnet_trainer.errors import ConfigError, DataError

OUTPUT = "training.png"
EVALUATION_FOLDER = "eval"

Points = List[Tuple[int, float]]


class Curve(NamedTuple):
    """One line of a panel: a tag of the run's or of its evaluations' events."""

    tag: str
    label: str
    evaluated: bool = False


class Panel(NamedTuple):
    """One diagram over steps."""

    title: str
    curves: Tuple[Curve, ...]
    from_zero: bool = False


PANELS = (
    Panel("Loss", (Curve("loss", "training"), Curve("loss", "evaluation", True))),
    Panel(
        "Accuracy",
        (Curve("top_1_accuracy", "top-1", True), Curve("top_5_accuracy", "top-5", True)),
    ),
    Panel("Learning rate", (Curve("learning_rate", "learning rate"),), from_zero=True),
    Panel("Images per second", (Curve("images_per_second", "images per second"),), from_zero=True),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder and ``--out``."""
    parser.add_argument("model_dir", metavar="MODEL_DIR", help="a run's --model_dir")
    parser.add_argument(
        "--out", metavar="FILE", help=f"the PNG to write (default: MODEL_DIR/{OUTPUT})"
    )


def run(args: argparse.Namespace) -> int:
    """Draw one run and say where.

    Raises:
        ConfigError: matplotlib is missing.
        DataError: the folder has no curves.
    """
    figure_class = load_figure_class()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    trained = read_scalars(args.model_dir)
    evaluated = read_scalars(os.path.join(args.model_dir, EVALUATION_FOLDER))
    if not trained and not evaluated:
        raise DataError(
            f"{args.model_dir} has no curves: no file events.out.tfevents.* with scalars; name "
            f"the --model_dir of a run that has logged a step"
        )
    path = args.out or os.path.join(args.model_dir, OUTPUT)
    draw(figure_class, trained, evaluated, os.path.abspath(args.model_dir)).savefig(path, dpi=120)
    print(path)
    return 0


def load_figure_class() -> Any:
    """Return matplotlib's Figure, which draws to files without a screen.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError(
            f"matplotlib is missing ({error}); install it with "
            f"pip install 'efficientnet-trainer[plot]', or look at the folder with TensorBoard"
        ) from None
    return Figure


def read_scalars(folder: str) -> Dict[str, Points]:
    """Return the scalars of a folder's event files by tag, in the order of their steps.

    A resumed run goes over some steps again: what was written last counts.
    """
    found: Dict[str, Dict[int, float]] = {}
    for path in _event_files(folder):
        for step, value in _read_file(path):
            found.setdefault(value.tag, {})[step] = value.simple_value
    return {tag: sorted(points.items()) for tag, points in found.items()}


def _read_file(path: str) -> Iterator[Tuple[int, Any]]:
    """Yield step and value of each scalar; a file that is cut off is read up to there.

    A run that was killed leaves such a file, and one that goes on may be about to write.
    """
    import tensorflow.compat.v1 as tf

    tf.logging.set_verbosity(tf.logging.ERROR)
    with contextlib.suppress(tf.errors.DataLossError):
        for event in tf.train.summary_iterator(path):
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    yield event.step, value


def _event_files(folder: str) -> Sequence[str]:
    """List event files, oldest first: their names have the second of their making."""
    if not os.path.isdir(folder):
        return []
    names = [name for name in os.listdir(folder) if ".tfevents." in name]
    return [os.path.join(folder, name) for name in sorted(names)]


def draw(
    figure_class: Any, trained: Dict[str, Points], evaluated: Dict[str, Points], title: str
) -> Any:
    """Return a figure with one panel for each of PANELS."""
    figure = figure_class(figsize=(11, 7), constrained_layout=True)
    figure.suptitle(title, fontsize="medium")
    for axes, panel in zip(figure.subplots(2, 2).flat, PANELS):
        axes.set_title(panel.title, loc="left", fontsize="medium")
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        for curve in panel.curves:
            points = (evaluated if curve.evaluated else trained).get(curve.tag, [])
            if points:
                steps, values = zip(*points)
                # A single evaluation is a point, which a bare line would not show.
                marker = "o" if curve.evaluated or len(points) == 1 else None
                axes.plot(steps, values, label=curve.label, marker=marker, markersize=4)
        if len(axes.lines) > 1:
            axes.legend(fontsize="small")
        if not axes.lines:
            axes.text(0.5, 0.5, "no figures yet", ha="center", transform=axes.transAxes)
        if panel.from_zero:
            axes.set_ylim(bottom=0)
    return figure
