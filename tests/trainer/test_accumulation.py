"""Gradients of micro-batches make one update, of which everything else is counted."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.accumulation import AccumulatingOptimizer
from efficientnet_trainer.optimizer import build_train_op


class Steps:
    """A weight that is trained on numbers, in updates of a few of them each."""

    def __init__(self, make_config, numbers, steps, wrap=lambda optimizer: optimizer):
        dataset = tf.data.Dataset.from_tensor_slices(np.float32(numbers))
        number = tf.data.make_one_shot_iterator(dataset).get_next()
        self.weight = tf.get_variable("w", initializer=1.0)
        self.statistic = tf.get_variable("s", initializer=0.0, trainable=False)
        self.step = tf.train.get_or_create_global_step()
        tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, self.statistic.assign_add(number))
        optimizer = AccumulatingOptimizer(tf.train.GradientDescentOptimizer(0.1), steps)
        loss = number * self.weight
        self.loss = optimizer.mean(loss)
        config = make_config(moving_average_decay=0)
        train_op = build_train_op(wrap(optimizer), loss, config, self.step)
        self.train_op = optimizer.clear_after(train_op)
        self.hook = optimizer.hook()

    def run(self, updates):
        """Return (loss, weight, statistic, step) of each update, from a session with hooks."""
        figures = []
        with tf.train.MonitoredSession(hooks=[self.hook]) as session:
            for _ in range(updates):
                loss, _ = session.run([self.loss, self.train_op])
                values = session.run_step_fn(
                    lambda step_context: step_context.session.run(
                        [self.weight, self.statistic, self.step]
                    )
                )
                figures.append((loss, *values))
        return figures


def test_an_update_is_the_mean_of_its_micro_batches(make_config):
    first, second = Steps(make_config, [1, 2, 6, 10, 20, 60], 3).run(2)
    # The mean is 3 at a weight of 1, then 30 at 0.7: sums do not outlive their update.
    assert first == pytest.approx((3.0, 0.7, 9.0, 1))
    assert second == pytest.approx((30 * 0.7, 0.7 - 3.0, 99.0, 2))


class OnlyFinite(tf.train.Optimizer):
    """Passes over gradients that overflowed, as optimizers that scale the loss do."""

    def __init__(self, optimizer):
        super().__init__(use_locking=False, name="OnlyFinite")
        self._optimizer = optimizer

    def compute_gradients(self, *args, **kwargs):
        return self._optimizer.compute_gradients(*args, **kwargs)

    def apply_gradients(self, pairs, global_step=None, name=None):
        ((gradient, variable),) = pairs

        def apply():
            with tf.control_dependencies(
                [self._optimizer.apply_gradients([(gradient, variable)], global_step)]
            ):
                return tf.constant(True)

        return tf.cond(tf.is_finite(gradient), apply, lambda: tf.constant(False)).op


def test_an_update_that_overflowed_leaves_nothing_behind(make_config):
    updates = Steps(make_config, [np.inf, 1, 2, 4], 2, OnlyFinite).run(2)
    assert [(weight, step) for _, weight, _, step in updates] == [
        (1.0, 0),
        (pytest.approx(0.7), 1),
    ]


def test_sums_are_in_no_checkpoint(make_config):
    Steps(make_config, [1, 2], 2)
    assert {v.op.name for v in tf.global_variables()} == {"w", "s", "global_step"}


def test_what_has_no_gradient_is_passed_over():
    used, unused = (tf.get_variable(name, initializer=1.0) for name in ("used", "unused"))
    optimizer = AccumulatingOptimizer(tf.train.GradientDescentOptimizer(1.0), 2)
    pairs = dict((v.op.name, g) for g, v in optimizer.compute_gradients(2.0 * used))
    assert pairs["unused"] is None
    assert pairs["used"] is not None
    assert unused.op.name in pairs
