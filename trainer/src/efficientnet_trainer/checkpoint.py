"""Read checkpoints, and say in words what is wrong with one.

TensorFlow reports a missing file, a damaged one and a missing variable with long traces
that name ops; here each is a ``DataError`` that names the checkpoint and the variables.
"""

import os
from typing import Any, Dict, List, Optional, Sequence

import tensorflow.compat.v1 as tf

from efficientnet_trainer.errors import DataError

AVERAGE_SUFFIX = "/ExponentialMovingAverage"
_NAMES_SHOWN = 5


class Checkpoint:
    """One readable checkpoint.

    Args:
        path: its prefix, such as ``out/model.ckpt-300``, or a directory whose newest
            checkpoint is meant.

    Raises:
        DataError: there is no checkpoint, or its index is damaged.
    """

    def __init__(self, path: str) -> None:
        self.prefix = _find_prefix(path)
        try:
            self._reader = tf.train.load_checkpoint(self.prefix)
            self.shapes: Dict[str, List[int]] = self._reader.get_variable_to_shape_map()
        except (tf.errors.OpError, ValueError) as error:
            raise DataError(f"checkpoint {self.prefix} cannot be read: {_first(error)}") from None

    def num_label_classes(self, model_name: str) -> int:
        """Tell how many classes its classifier has.

        Raises:
            DataError: it has no classifier of this model.
        """
        name = f"{model_name}/head/dense/kernel"
        if name not in self.shapes:
            raise DataError(
                f"checkpoint {self.prefix} has no variable {name}; it is of another model"
                f"{self._other_model()}, use its --model_name"
            )
        return self.shapes[name][1]

    def restore(self, session: Any, variables: Sequence[Any], use_average: bool = False) -> None:
        """Load variables by name.

        Args:
            session: where they live.
            variables: what to load.
            use_average: load the moving averages instead of the values.

        Raises:
            DataError: a variable is missing, has another shape, or cannot be read.
        """
        suffix = AVERAGE_SUFFIX if use_average else ""
        by_name = {v.op.name + suffix: v for v in variables}
        self._check_names(by_name, use_average)
        self._check_shapes(by_name)
        try:
            tf.train.Saver(by_name).restore(session, self.prefix)
        except (tf.errors.OpError, ValueError) as error:
            raise DataError(f"checkpoint {self.prefix} cannot be read: {_first(error)}") from None

    def _check_names(self, by_name: Dict[str, Any], use_average: bool) -> None:
        missing = [name for name in sorted(by_name) if name not in self.shapes]
        if not missing:
            return
        way_out = "it is of another model or damaged"
        if use_average and len(missing) == len(by_name):
            way_out = (
                "it keeps no moving averages, use --ema=false (of train: --moving_average_decay=0)"
            )
        raise DataError(
            f"checkpoint {self.prefix} lacks {len(missing)} of {len(by_name)} variables: "
            f"{_shown(missing)}; {way_out}"
        )

    def _check_shapes(self, by_name: Dict[str, Any]) -> None:
        different = [
            f"{name} {self.shapes[name]}, wanted {variable.shape.as_list()}"
            for name, variable in sorted(by_name.items())
            if self.shapes[name] != variable.shape.as_list()
        ]
        if different:
            raise DataError(
                f"checkpoint {self.prefix} has {len(different)} variables of another shape: "
                f"{_shown(different)}; check --model_name and --num_label_classes"
            )

    def _other_model(self) -> str:
        scopes = sorted({name.split("/")[0] for name in self.shapes if "/head/" in name})
        return f" ({', '.join(scopes)})" if scopes else ""


def _find_prefix(path: str) -> str:
    prefix: Optional[str] = path
    if os.path.isdir(path):
        prefix = tf.train.latest_checkpoint(path)
    if prefix is None or not os.path.exists(prefix + ".index"):
        raise DataError(
            f"no checkpoint at {path}; give a prefix such as DIR/model.ckpt-300 "
            f"(of the files .index and .data-*) or a directory that holds one"
        )
    return prefix


def _shown(names: Sequence[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _first(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:300]
