"""NPUDistributedOptimizer: means of the ranks' gradients."""

import os

import tensorflow.compat.v1 as tf

from npu_bridge import peers
from npu_bridge.record import record
from npu_bridge.release import of_release


@of_release
class NPUDistributedOptimizer(tf.train.Optimizer):
    """Averages the gradients of the optimizer that it wraps."""

    def __init__(self, optimizer, name=None, is_weight_update_sharding=False):
        """Wrap an optimizer."""
        super().__init__(name=name or "NPUDistributed", use_locking=False)
        record("distributed_optimizer", wraps=type(optimizer).__name__)
        self._optimizer = optimizer

    def compute_gradients(self, *args, **kwargs):
        """Return the averages over the ranks."""
        pairs = self._optimizer.compute_gradients(*args, **kwargs)
        size = int(os.getenv("RANK_SIZE"))
        if size == 1:
            return pairs
        # All at once: a file for each would take longer than the step.
        found = [(gradient, variable) for gradient, variable in pairs if gradient is not None]
        packed = tf.concat([tf.reshape(gradient, [-1]) for gradient, _ in found], axis=0)
        means = tf.split(
            peers.sum_over_ranks(packed, "Gradients") / size,
            [variable.shape.num_elements() for _, variable in found],
        )
        return [
            (tf.reshape(m, variable.shape), variable) for m, (_, variable) in zip(means, found)
        ]

    def apply_gradients(self, *args, **kwargs):
        """Apply gradients."""
        return self._optimizer.apply_gradients(*args, **kwargs)
