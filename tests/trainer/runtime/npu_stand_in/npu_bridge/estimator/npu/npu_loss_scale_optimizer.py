"""NPULossScaleOptimizer: scales the loss up and the gradients down."""

import tensorflow.compat.v1 as tf

from npu_bridge.record import record


class NPULossScaleOptimizer(tf.train.Optimizer):
    """Wraps a distributed optimizer."""

    def __init__(self, opt, loss_scale_manager, is_distributed=False):
        """Take a manager from npu_loss_scale_manager."""
        super().__init__(name="NPULossScale", use_locking=False)
        self._opt = opt
        self._scale = loss_scale_manager.get_loss_scale()
        record(
            "loss_scale_optimizer",
            wraps=type(opt).__name__,
            scale=self._scale,
            is_distributed=is_distributed,
        )

    def compute_gradients(self, loss, *args, **kwargs):
        """Return gradients of the unscaled loss."""
        pairs = self._opt.compute_gradients(loss * self._scale, *args, **kwargs)
        return [(g if g is None else g / self._scale, v) for g, v in pairs]

    def apply_gradients(self, *args, **kwargs):
        """Apply gradients."""
        return self._opt.apply_gradients(*args, **kwargs)
