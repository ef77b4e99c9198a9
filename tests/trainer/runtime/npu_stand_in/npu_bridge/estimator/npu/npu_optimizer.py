"""NPUDistributedOptimizer, without peers."""

import tensorflow.compat.v1 as tf

from npu_bridge.record import record


class NPUDistributedOptimizer(tf.train.Optimizer):
    """Hands everything to the optimizer it wraps."""

    def __init__(self, optimizer, name=None):
        """Wrap an optimizer."""
        super().__init__(name=name or "NPUDistributed", use_locking=False)
        record("distributed_optimizer", wraps=type(optimizer).__name__)
        self._optimizer = optimizer

    def compute_gradients(self, *args, **kwargs):
        """Compute gradients; the real one averages them here."""
        return self._optimizer.compute_gradients(*args, **kwargs)

    def apply_gradients(self, *args, **kwargs):
        """Apply gradients."""
        return self._optimizer.apply_gradients(*args, **kwargs)
