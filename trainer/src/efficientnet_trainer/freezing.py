"""Leave a part of the network as it is while the rest learns.

A frozen variable leaves the collection that optimizers and weight decay read, so it gets
no gradient; what lies below it is not even differentiated.  Frozen batch normalisation
normalises with its moving statistics, which stay, as in evaluation.
"""

from typing import Any, Sequence, Tuple

import tensorflow.compat.v1 as tf

from efficientnet_trainer.errors import ConfigError

FROZEN = "frozen_variables"
"""Collection of the variables that are not trained; they keep moving averages."""
_SCOPE_OF_OPS = "/model/"
"""Op names of the public code have this part, variable names do not; old flags spell it."""


def variable_prefixes(spelled: Sequence[str]) -> Tuple[str, ...]:
    """Return prefixes of variable names for prefixes as people spell them."""
    return tuple(prefix.replace(_SCOPE_OF_OPS, "/", 1) for prefix in spelled)


def is_frozen(name: str, freeze: Sequence[str]) -> bool:
    """Tell whether a variable, or all of a scope that ends with a slash, is frozen."""
    return name.startswith(variable_prefixes(freeze))


def freeze_variables(freeze: Sequence[str]) -> None:
    """Take the named variables of the graph out of training.

    Args:
        freeze: prefixes of variable names.

    Raises:
        ConfigError: a prefix names no variable, or nothing is left to train.
    """
    if not freeze:
        return
    trainable = tf.get_collection_ref(tf.GraphKeys.TRAINABLE_VARIABLES)
    frozen = [v for v in trainable if is_frozen(v.op.name, freeze)]
    for spelled, prefix in zip(freeze, variable_prefixes(freeze)):
        if not any(v.op.name.startswith(prefix) for v in frozen):
            raise ConfigError(
                f"--freeze={spelled} names no variable of this model, whose names are like "
                f"{_example(trainable)}; efficientnet-trainer describe lists them"
            )
    if len(frozen) == len(trainable):
        raise ConfigError(
            f"--freeze={','.join(freeze)} leaves nothing to train; leave out the part to learn, "
            f"such as the classifier, {_example(trainable[-1:]).rpartition('/')[0]}/"
        )
    trainable[:] = [v for v in trainable if not is_frozen(v.op.name, freeze)]
    for variable in frozen:
        tf.add_to_collection(FROZEN, variable)
    tf.logging.info("%d variables are frozen, %d train", len(frozen), len(trainable))


def _example(variables: Sequence[Any]) -> str:
    return str(variables[0].op.name) if variables else "(none)"
