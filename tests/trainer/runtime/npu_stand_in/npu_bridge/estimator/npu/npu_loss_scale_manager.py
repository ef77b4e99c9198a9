"""The two loss scale managers."""

import tensorflow.compat.v1 as tf

from npu_bridge.record import record
from npu_bridge.release import of_release


@of_release
class FixedLossScaleManager:
    """Keeps one loss scale."""

    def __init__(self, loss_scale, enable_overflow_check=True):
        """Take the scale."""
        if loss_scale < 1:
            raise ValueError("loss scale must be at least 1")
        record("fixed_loss_scale", loss_scale=loss_scale)
        self._loss_scale = tf.constant(loss_scale, tf.float32)

    def get_loss_scale(self):
        """Return it."""
        return self._loss_scale

    def update_loss_scale(self, finite_grads):
        """Do nothing."""
        return tf.no_op()


class ExponentialUpdateLossScaleManager:
    """Raises the scale after steps without an overflow, lowers it after those with one."""

    def __init__(
        self,
        init_loss_scale,
        incr_every_n_steps,
        decr_every_n_nan_or_inf=2,
        incr_ratio=2,
        decr_ratio=0.8,
    ):
        """Start from a scale."""
        record("dynamic_loss_scale", init=init_loss_scale, incr_every=incr_every_n_steps)
        self._loss_scale = tf.Variable(float(init_loss_scale), trainable=False, name="loss_scale")
        self._good = tf.Variable(0, trainable=False, name="good_steps")
        self._bad = tf.Variable(0, trainable=False, name="bad_steps")
        self._up = (incr_every_n_steps, incr_ratio)
        self._down = (decr_every_n_nan_or_inf, decr_ratio)

    def get_loss_scale(self):
        """Return it."""
        return self._loss_scale

    def update_loss_scale(self, finite_grads):
        """Count the step."""
        return tf.cond(
            finite_grads,
            lambda: self._count(self._good, *self._up),
            lambda: self._count(self._bad, *self._down),
        )

    def _count(self, steps, limit, ratio):
        def change():
            scale = self._loss_scale.assign(tf.maximum(self._loss_scale * ratio, 1.0))
            return tf.group(scale, self._good.assign(0), self._bad.assign(0))

        return tf.cond(steps + 1 >= limit, change, lambda: tf.group(steps.assign_add(1)))
