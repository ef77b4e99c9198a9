"""Send all gradients of a step through one collective, and few initial values at the start.

MultiWorkerMirroredStrategy starts a collective for each gradient, two hundred a step for
b0, and leaves it to a graph rewriter to merge them, which takes longer than building the
graph did.  Each costs a rank about a millisecond of CPU, more than the data do.

It also starts a collective for the initial value of each variable.  The network's own are
drawn at random, so that they have to come from one rank.  What an optimizer and the moving
average keep, three times as many, begins as a constant or as the weight that it belongs to.
"""

from typing import Any, List

import tensorflow.compat.v1 as tf
from tensorflow.python.distribute import cross_device_ops, cross_device_utils


class PackedAllReduce(cross_device_ops.CollectiveAllReduce):
    """Lays dense tensors end to end before they are summed; one device a worker."""

    def _do_batch_all_reduce_dense(self, reduce_op: Any, per_replica_values: List[Any]) -> Any:
        own = [value.values[0] for value in per_replica_values]
        with tf.device(own[0].device):
            packed = tf.concat([tf.reshape(tensor, [-1]) for tensor in own], axis=0)
            (summed,) = cross_device_utils.build_collective_reduce(
                [packed], self._num_workers, self._collective_keys, "Add", "Id"
            )
            parts = tf.split(summed, [tensor.shape.num_elements() for tensor in own])
            reduced = [[tf.reshape(part, one.shape), None] for part, one in zip(parts, own)]
        return cross_device_ops._ungroup_and_make_mirrored(
            [reduced],
            per_replica_values[0],
            reduce_op,
            num_between_graph_workers=self._num_workers,
        )


def _keep_initial_value(**variable: Any) -> Any:
    """Return what makes a variable's initial value as it is, on each rank for itself."""
    return variable["initial_value"]


def pack_collectives(strategy: Any, num_workers: int) -> None:
    """Let a strategy pack what it reduces in a batch, and send no initial value from here on.

    To be called when the network is built and nothing after it: the strategy is set up anew
    before a model is built.  TensorFlow 1.15 has no public way to choose either.
    """
    extended = strategy.extended
    extended._cross_device_ops = PackedAllReduce(
        num_workers=num_workers, collective_keys=extended._collective_keys
    )
    extended._get_variable_creator_initial_value = _keep_initial_value
