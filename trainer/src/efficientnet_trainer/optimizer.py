"""Optimizers, and the moving average of the weights that evaluation reads."""

from typing import Any, List

import tensorflow.compat.v1 as tf

from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.freezing import FROZEN
from efficientnet_trainer.lars import LarsOptimizer
from efficientnet_trainer.moving_average import MovingAverage

RMSPROP_DECAY = 0.9
RMSPROP_EPSILON = 0.001
_STATISTICS = ("moving_mean", "moving_variance")


def build_optimizer(config: TrainerConfig, learning_rate: tf.Tensor) -> tf.train.Optimizer:
    """Make the optimizer that the flags name.

    Source: Tan and Le 2019, section 5 (RMSProp, decay 0.9, momentum 0.9).
    """
    if config.optimizer == "rmsprop":
        return tf.train.RMSPropOptimizer(
            learning_rate,
            decay=RMSPROP_DECAY,
            momentum=config.momentum,
            epsilon=RMSPROP_EPSILON,
        )
    if config.optimizer == "lars":
        return LarsOptimizer(learning_rate, config.momentum, config.weight_decay)
    if config.optimizer == "momentum":
        return tf.train.MomentumOptimizer(learning_rate, config.momentum)
    return tf.train.GradientDescentOptimizer(learning_rate)


def averaged_variables() -> List[Any]:
    """List the graph's variables that have a moving average, sorted by name.

    These are the weights, frozen ones too, and the statistics of batch normalisation; not
    the slots, whose names only contain those of the statistics.  Collectives are numbered as
    the graph is built, so the order has to be the same in every process.
    """
    found = {v.op.name: v for v in tf.trainable_variables() + tf.get_collection(FROZEN)}
    for variable in tf.global_variables():
        if variable.op.name.endswith(_STATISTICS):
            found[variable.op.name] = variable
    return [found[name] for name in sorted(found)]


def moving_average(decay: float, global_step: Any = None) -> MovingAverage:
    """Make the average; early on it follows faster, by (1 + step) / (10 + step)."""
    return MovingAverage(decay, num_updates=global_step)


def build_train_op(
    optimizer: tf.train.Optimizer, loss: tf.Tensor, config: TrainerConfig, global_step: Any
) -> tf.Operation:
    """Return one update: gradients, batch statistics, then the moving average.

    Args:
        optimizer: from ``build_optimizer``, wrapped or not.
        loss: float32 tensor [], of one micro-batch where gradients accumulate.
        config: decay of the moving average; 0 keeps none.
        global_step: the variable that counts updates.
    """
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    # The loss, too, is of the weights before the update; its weight decay reads all of them.
    with tf.control_dependencies([*updates, loss]):
        train_op = optimizer.minimize(loss, global_step=global_step)
    if not config.moving_average_decay:
        return train_op
    variables = averaged_variables()
    with tf.control_dependencies([train_op]):
        return moving_average(config.moving_average_decay, global_step).apply(variables)
