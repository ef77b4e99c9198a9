"""The hooks that NPUEstimator adds by itself."""

import tensorflow.compat.v1 as tf

from npu_bridge import device
from npu_bridge.hccl import hccl_ops


class NPUBroadcastGlobalVariablesHook(tf.train.SessionRunHook):
    """Gives every rank the root's trainable variables, and no others."""

    def __init__(self, root_rank=None, index=None):
        """Take who sends."""
        self._root_rank = root_rank

    def begin(self):
        """Build the broadcast."""
        variables = tf.trainable_variables()
        values = hccl_ops.broadcast([v.read_value() for v in variables], self._root_rank)
        self._broadcast = tf.group([v.assign(x) for v, x in zip(variables, values)])

    def after_create_session(self, session, coord):
        """Run it."""
        session.run(self._broadcast)


class NPUCheckpointSaverHook(tf.train.CheckpointSaverHook):
    """Saves on every rank."""

    def after_run(self, run_context, run_values):
        """Read the step anew, then as the base does."""
        run_context.session.run(self._global_step_tensor)
        super().after_run(run_context, run_values)


class SetIterationsVarHook(tf.train.SessionRunHook):
    """Tells the device how long its loop is."""

    def __init__(self, iterations_per_loop):
        """Take the length."""
        self._iterations_per_loop = iterations_per_loop

    def after_create_session(self, session, coord):
        """Set it."""
        device.iterations_per_loop = self._iterations_per_loop
