"""The moving average of weights and statistics, which is what evaluation reads.

The statistics of batch normalisation differ between ranks, so what is averaged over time
is their mean over the ranks.  TensorFlow's own class asks for these means one by one; for
b0 these hundred small collectives cost a CPU more than half as much as the network does.

It also begins each average with a conditional: with the variable, if that is initialised,
else with what it is to be initialised with.  All variables are initialised by one op, so the
latter alone does, and building conditionals took longer than building the network.
"""

from typing import Any, List

import tensorflow.compat.v1 as tf
from tensorflow.python.framework import ops
from tensorflow.python.training import moving_averages, slot_creator


class MovingAverage(tf.train.ExponentialMovingAverage):
    """TensorFlow's, but under a strategy the ranks' means come in one batch.

    Variables have the names that TensorFlow's class gives them.
    """

    def apply(self, var_list: List[Any]) -> tf.Operation:
        """Return an op that moves each variable's average towards its present value.

        Args:
            var_list: float variables.
        """
        for variable in var_list:
            # Where it finds one, TensorFlow's class makes none.
            self._averages[variable.experimental_ref()] = self._create_average(variable)
        differing = [v for v in var_list if _differs_between_ranks(v)]
        if not differing:
            return super().apply(var_list)
        alike = [v for v in var_list if not _differs_between_ranks(v)]
        return tf.group(super().apply(alike), self._apply_to_means(differing))

    def _create_average(self, variable: Any) -> Any:
        tf.add_to_collection(tf.GraphKeys.MOVING_AVERAGE_VARIABLES, variable)
        with ops.init_scope():
            return slot_creator.create_slot(variable, variable.initial_value, self.name)

    def _apply_to_means(self, variables: List[Any]) -> tf.Operation:
        averages = [self._averages[variable.experimental_ref()] for variable in variables]
        decay = tf.convert_to_tensor(self._decay)
        if self._num_updates is not None:
            updates = tf.cast(self._num_updates, tf.float32)
            decay = tf.minimum(decay, (1.0 + updates) / (10.0 + updates))

        def merge(strategy: Any, *values: Any) -> tf.Operation:
            means = strategy.extended.batch_reduce_to(
                tf.distribute.ReduceOp.MEAN, list(zip(values, averages))
            )
            return tf.group(
                *(
                    moving_averages.assign_moving_average(average, mean, decay, zero_debias=False)
                    for average, mean in zip(averages, means)
                )
            )

        values = [tf.identity(v) for v in variables]
        return tf.distribute.get_replica_context().merge_call(merge, args=values)


def _differs_between_ranks(variable: Any) -> bool:
    """Whether a strategy keeps a value of each rank and reads their mean."""
    return (
        tf.distribute.has_strategy()
        and variable.synchronization == tf.VariableSynchronization.ON_READ
    )
