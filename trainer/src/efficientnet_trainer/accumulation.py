"""Add up the gradients of several micro-batches before they are applied.

The batch of many cards fits on few: an update's images come in micro-batches, of which all
but the last only add their gradients to a sum.  The last one's session run is the update:
it adds its own, sends the mean through the one collective of the update, applies it and
clears the sum.  So whatever counts session runs counts updates: hooks, schedule, moving
average, checkpoints.  Batch normalisation sees micro-batches, and so do its statistics.
"""

from typing import Any, List, Sequence, Tuple

import tensorflow.compat.v1 as tf

GradientsAndVariables = Sequence[Tuple[Any, Any]]


class AccumulatingOptimizer(tf.train.Optimizer):
    """Hands the mean gradient over micro-batches to the optimizer it wraps.

    It belongs inside what scales the loss or sums over ranks when it computes gradients:
    the sum then has the scaled gradients of this rank alone.
    """

    def __init__(self, optimizer: tf.train.Optimizer, steps: int) -> None:
        """Wrap an optimizer for updates of ``steps`` micro-batches."""
        super().__init__(use_locking=False, name="Accumulating")
        self._optimizer = optimizer
        self._steps = steps
        self._sums: List[Any] = []
        self._additions: List[tf.Operation] = []
        self._means: List[tf.Tensor] = []

    def mean(self, value: tf.Tensor) -> tf.Tensor:
        """Return the mean of a tensor over the update's micro-batches.

        To be asked for before ``clear_after``.
        """
        total = _new_sum(f"accumulated/{len(self._sums)}", value)
        self._sums.append(total)
        self._additions.append(total.assign_add(value))
        self._means.append((total + value) / self._steps)
        return self._means[-1]

    def compute_gradients(self, *args: Any, **kwargs: Any) -> GradientsAndVariables:
        """Compute the mean gradients over the update's micro-batches."""
        pairs = self._optimizer.compute_gradients(*args, **kwargs)
        return [(g if g is None else self.mean(g), v) for g, v in pairs]

    def apply_gradients(self, *args: Any, **kwargs: Any) -> tf.Operation:
        """Apply the mean gradients."""
        return self._optimizer.apply_gradients(*args, **kwargs)

    def clear_after(self, train_op: tf.Operation) -> tf.Operation:
        """Return the train op with the sums cleared behind it.

        Not when gradients are applied: an update that overflowed is passed over, and its sums
        must not be those of the next.
        """
        # All means, too: not every one of them is a gradient that the train op waits for.
        with tf.control_dependencies([train_op, *self._means]):
            return tf.group(*(s.assign(tf.zeros_like(s)) for s in self._sums))

    def hook(self) -> "AccumulationHook":
        """Return what has all micro-batches added up; to be made after the train op."""
        updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
        return AccumulationHook(tf.group(*self._additions, *updates), self._steps - 1)


class AccumulationHook(tf.train.SessionRunHook):
    """Runs an update's micro-batches but the last, just before the run that is the update."""

    def __init__(self, add: tf.Operation, times: int) -> None:
        """Take what to run, and how often."""
        self.add = add
        self._times = times

    def before_run(self, run_context: Any) -> None:
        """Add up in the bare session, of whose runs no hook hears."""
        for _ in range(self._times):
            run_context.session.run(self.add)


def _new_sum(name: str, value: tf.Tensor) -> Any:
    """Return a variable of zeros that is this rank's own, and in no checkpoint."""
    return tf.get_variable(
        name,
        value.shape,
        value.dtype,
        tf.zeros_initializer(),
        trainable=False,
        collections=[tf.GraphKeys.LOCAL_VARIABLES],
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.SUM,
    )
