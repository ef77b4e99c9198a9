"""Start a new run from another run's weights (transfer learning).

Called after model, optimizer and moving averages are built, because only then are there
variables to restore.  A run that has a checkpoint of its own goes on from that instead.
"""

from typing import Any, Dict, List, Sequence

import tensorflow.compat.v1 as tf

from efficientnet_trainer.checkpoint import AVERAGE_SUFFIX, Checkpoint
from efficientnet_trainer.errors import ConfigError
from efficientnet_trainer.optimizer import averaged_variables

_SCOPE_OF_OPS = "/model/"
"""Op names of the public code have this part, variable names do not; old flags spell it."""


def restore_weights(path: str, exclude: Sequence[str]) -> List[str]:
    """Let the graph's weights start from a checkpoint, and return their names.

    Weights and statistics take their namesakes; a moving average takes the checkpoint's
    own, or the weight itself where the checkpoint has none.

    Args:
        path: prefix of the checkpoint's files.
        exclude: prefixes of variable names that keep their initial values.

    Raises:
        DataError: the checkpoint cannot be read.
        ConfigError: a shape differs, or nothing would be restored.
    """
    shapes = Checkpoint(path).shapes
    excluded = tuple(_variable_name(prefix) for prefix in exclude)
    weights = {
        variable.op.name: variable
        for variable in averaged_variables()
        if variable.op.name in shapes and not variable.op.name.startswith(excluded)
    }
    if not weights:
        raise ConfigError(
            f"--restore_path {path} restores nothing: none of its {len(shapes)} variables, such "
            f"as {sorted(shapes)[0] if shapes else 'none'}, is one of this model's; name a "
            f"checkpoint of the same --model_name, or exclude less with --restore_exclude"
        )
    _check_shapes(path, weights, shapes)
    tf.train.init_from_checkpoint(path, dict(weights))
    averages = {v.op.name: v for v in tf.global_variables() if v.op.name.endswith(AVERAGE_SUFFIX)}
    for name in weights:
        if name + AVERAGE_SUFFIX in averages:
            source = name + AVERAGE_SUFFIX if name + AVERAGE_SUFFIX in shapes else name
            tf.train.init_from_checkpoint(path, {source: averages[name + AVERAGE_SUFFIX]})
    return sorted(weights)


def _check_shapes(path: str, weights: Dict[str, Any], shapes: Dict[str, List[int]]) -> None:
    for name, variable in weights.items():
        found, wanted = list(shapes[name]), variable.shape.as_list()
        if found != wanted:
            raise ConfigError(
                f"--restore_path {path}: {name} has shape {found} there and {wanted} in this "
                f"model; leave it out with --restore_exclude={name.rpartition('/')[0]}/"
            )


def _variable_name(prefix: str) -> str:
    return prefix.replace(_SCOPE_OF_OPS, "/", 1)
