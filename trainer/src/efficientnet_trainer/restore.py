"""Start a new run from another run's weights (transfer learning), and account for it.

Called after model, optimizer and moving averages are built, because only then are there
variables to restore.  A run that has a checkpoint of its own goes on from that instead.
Every variable of the model and every one of the checkpoint ends up in the report.
"""

import os
from typing import Any, Dict, List, NamedTuple, Sequence

import tensorflow.compat.v1 as tf
from pydantic import BaseModel

from efficientnet_trainer.checkpoint import AVERAGE_SUFFIX, Checkpoint
from efficientnet_trainer.errors import ConfigError
from efficientnet_trainer.freezing import variable_prefixes
from efficientnet_trainer.optimizer import averaged_variables
from efficientnet_trainer.termination import write_whole

REPORT_FILE = "restored.json"
EXCLUDED = "excluded by --restore_exclude"
ABSENT = "not in the checkpoint"
UNKNOWN = "no variable of this model"
_STEP = "the other run's step"
_SLOT = "state of the other run's optimizer"
_OTHER_SOURCE = "not the source that --restore_weights names"
_NAMES_LOGGED = 5


class Source(NamedTuple):
    """Where weights come from."""

    path: str
    """Prefix of the checkpoint's files, or a directory that holds one."""
    exclude: Sequence[str] = ()
    """Prefixes of the variables that keep their initial values."""
    weights: str = "ema"
    """``ema``: the moving averages, where there are any; ``raw``: the weights themselves."""


class Report(BaseModel):
    """What became of each variable."""

    checkpoint: str
    weights: str
    restored: Dict[str, str]
    """Variable of the model to the checkpoint's that it starts from."""
    initial: Dict[str, str]
    """Variable of the model that keeps its initial value, to why."""
    unused: Dict[str, str]
    """Variable of the checkpoint that was not taken, to why."""

    def unexplained(self) -> List[str]:
        """List the checkpoint's variables that the model does not know at all."""
        return [name for name, why in self.unused.items() if why == UNKNOWN]


def restore_weights(source: Source) -> Report:
    """Let the graph's weights, statistics and moving averages start from a checkpoint.

    Raises:
        DataError: the checkpoint cannot be read.
        ConfigError: a shape differs, an exclusion names nothing, or nothing would be restored.
    """
    checkpoint = Checkpoint(source.path)
    variables = {v.op.name: v for v in averaged_variables()}
    report = plan(source, checkpoint, sorted(variables))
    if not report.restored:
        raise ConfigError(
            f"--restore_path {source.path} restores nothing: none of its "
            f"{len(checkpoint.shapes)} variables, such as "
            f"{min(checkpoint.shapes) if checkpoint.shapes else 'none'}, is one of this model's; "
            f"name a checkpoint of the same --model_name, or exclude less with --restore_exclude"
        )
    starts = {found: variables[name] for name, found in report.restored.items()}
    _check_shapes(source.path, starts, checkpoint.shapes)
    tf.train.init_from_checkpoint(checkpoint.prefix, starts)
    averages = {v.op.name: v for v in tf.global_variables() if v.op.name.endswith(AVERAGE_SUFFIX)}
    if averages:
        starts = {
            found: averages[name + AVERAGE_SUFFIX] for name, found in report.restored.items()
        }
        tf.train.init_from_checkpoint(checkpoint.prefix, starts)
    return report


def plan(source: Source, checkpoint: Checkpoint, names: Sequence[str]) -> Report:
    """Decide what each of the model's variables starts from.

    Raises:
        ConfigError: an exclusion names neither one of them nor one of the checkpoint's.
    """
    prefixes = variable_prefixes(source.exclude)
    for spelled, prefix in zip(source.exclude, prefixes):
        if not any(name.startswith(prefix) for name in (*names, *checkpoint.shapes)):
            raise ConfigError(
                f"--restore_exclude={spelled} names no variable of this model or of "
                f"{checkpoint.prefix}; efficientnet-trainer describe lists the model's"
            )
    restored, initial = {}, {}
    for name in names:
        found = [name + AVERAGE_SUFFIX, name] if source.weights == "ema" else [name]
        present = [candidate for candidate in found if candidate in checkpoint.shapes]
        if name.startswith(prefixes):
            initial[name] = EXCLUDED
        elif present:
            restored[name] = present[0]
        else:
            initial[name] = ABSENT
    taken = set(restored.values())
    unused = {
        name: _why_unused(name, names, prefixes)
        for name in sorted(checkpoint.shapes)
        if name not in taken
    }
    return Report(
        checkpoint=checkpoint.prefix,
        weights=source.weights,
        restored=restored,
        initial=initial,
        unused=unused,
    )


def leave_report(report: Report, model_dir: str) -> None:
    """Write the report beside the checkpoints, and its sums to the log."""
    os.makedirs(model_dir, exist_ok=True)
    path = os.path.join(model_dir, REPORT_FILE)
    write_whole(path, report.model_dump_json(indent=2).encode())
    averages = sum(found.endswith(AVERAGE_SUFFIX) for found in report.restored.values())
    tf.logging.info(
        "restored %d of %d variables from %s, %d of them from moving averages; %s has each",
        len(report.restored),
        len(report.restored) + len(report.initial),
        report.checkpoint,
        averages,
        path,
    )
    for why in (EXCLUDED, ABSENT):
        names = [name for name, reason in report.initial.items() if reason == why]
        _log(tf.logging.info if why == EXCLUDED else tf.logging.warning, names, why, "initial")
    _log(tf.logging.warning, report.unexplained(), UNKNOWN, "not used")


def _why_unused(name: str, names: Sequence[str], prefixes: Sequence[str]) -> str:
    known = set(names)
    weight, _, last = name.rpartition("/")
    if name.startswith(tuple(prefixes)):
        return EXCLUDED
    if name == "global_step":
        return _STEP
    if name in known or (last == AVERAGE_SUFFIX[1:] and weight in known):
        return _OTHER_SOURCE
    return _SLOT if weight in known else UNKNOWN


def _check_shapes(path: str, starts: Dict[str, Any], shapes: Dict[str, List[int]]) -> None:
    for found, variable in starts.items():
        there, wanted = list(shapes[found]), variable.shape.as_list()
        if there != wanted:
            name = variable.op.name
            raise ConfigError(
                f"--restore_path {path}: {name} has shape {there} there and {wanted} in this "
                f"model; leave it out with --restore_exclude={name.rpartition('/')[0]}/"
            )


def _log(log: Any, names: Sequence[str], why: str, what: str) -> None:
    if names:
        more = len(names) - _NAMES_LOGGED
        shown = ", ".join(names[:_NAMES_LOGGED]) + (f" and {more} more" if more > 0 else "")
        log("%s, %s: %s", why, what, shown)
