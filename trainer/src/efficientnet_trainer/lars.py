"""LARS: a learning rate of its own for each layer, for very large global batches.

A layer's step is made as long as a fixed share of its weights, however long its gradient
is, so that no layer diverges at the high rates that large batches need.  Norms are taken
of the gradients that are applied, which are those of all ranks together: every rank finds
the same ones.  Weight decay takes part in the norms, so it is not in the loss.
"""

from typing import Any

import tensorflow.compat.v1 as tf

TRUST_COEFFICIENT = 0.001
"""Length of a step, before the learning rate, as a share of the layer's weights."""
_BATCH_NORM = "batch_normalization"
_BIAS = "bias"


class LarsOptimizer(tf.train.MomentumOptimizer):
    """Momentum over steps that are scaled layer by layer; for dense gradients.

    Batch normalisation and biases take plain momentum steps without decay: their weights
    are few and start at 0, so a share of them says nothing.

    Source: You, Gitman and Ginsburg 2017, algorithm 1; the layers left out are those of
    Google's trainers for ResNet and EfficientNet on TPUs.
    """

    def __init__(self, learning_rate: tf.Tensor, momentum: float, weight_decay: float) -> None:
        """Take what scales a step.

        Args:
            learning_rate: float32 [], the global rate.
            momentum: share of the last step that is taken again.
            weight_decay: factor of the weights that is added to their gradient.
        """
        # The rate is in what momentum adds up: a step that was taken keeps its length when
        # the rate falls, as in the paper.
        super().__init__(1.0, momentum, name="LARS")
        self._rate = learning_rate
        self._weight_decay = weight_decay

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        return super()._apply_dense(self._step(grad, var), var)

    def _resource_apply_dense(self, grad: Any, var: Any) -> Any:
        return super()._resource_apply_dense(self._step(grad, var), var)

    def _step(self, gradient: tf.Tensor, variable: Any) -> tf.Tensor:
        if is_left_out(variable.op.name):
            return self._rate * gradient
        weights = tf.convert_to_tensor(variable)
        weight_norm, gradient_norm = tf.norm(weights), tf.norm(gradient)
        longest = gradient_norm + self._weight_decay * weight_norm
        trust = tf.where_v2(
            tf.logical_and(weight_norm > 0, gradient_norm > 0),
            TRUST_COEFFICIENT * weight_norm / longest,
            1.0,
        )
        return self._rate * trust * (gradient + self._weight_decay * weights)


def is_left_out(name: str) -> bool:
    """Whether a variable is stepped without scaling and decay, by its name."""
    return _BATCH_NORM in name or name.rpartition("/")[2] == _BIAS
