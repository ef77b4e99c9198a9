"""NPULossScaleOptimizer: scales the loss up and the gradients down."""

import tensorflow.compat.v1 as tf

from npu_bridge import peers
from npu_bridge.record import record

LARGEST_FLOAT16 = 65504.0


class NPULossScaleOptimizer(tf.train.Optimizer):
    """Wraps a distributed optimizer."""

    def __init__(self, opt, loss_scale_manager, is_distributed=False):
        """Take a manager from npu_loss_scale_manager."""
        super().__init__(name="NPULossScale", use_locking=False)
        self._opt = opt
        self._manager = loss_scale_manager
        self._is_distributed = is_distributed
        record("loss_scale_optimizer", wraps=type(opt).__name__, is_distributed=is_distributed)

    def compute_gradients(self, loss, *args, **kwargs):
        """Return gradients of the unscaled loss, and note an overflow of the scaled one's."""
        scale = tf.identity(self._manager.get_loss_scale())
        pairs = self._opt.compute_gradients(loss * scale, *args, **kwargs)
        found = [gradient for gradient, _ in pairs if gradient is not None]
        self._overflows = tf.add_n(
            [tf.cast(tf.reduce_any(tf.abs(g) > LARGEST_FLOAT16), tf.float32) for g in found]
        )
        return [(g if g is None else g / scale, v) for g, v in pairs]

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        """Apply gradients, and count the step, unless there was an overflow on any rank."""
        overflows = self._overflows
        if self._is_distributed:
            overflows = peers.sum_over_ranks(overflows, "FloatStatus")
        finite = tf.equal(overflows, 0.0)
        update = tf.cond(
            finite,
            lambda: self._opt.apply_gradients(grads_and_vars, global_step, name),
            tf.no_op,
        )
        return tf.group(update, self._manager.update_loss_scale(finite))
