"""Gradients and statistics that go through one collective end where they belong, as their mean."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.timeout(120)

RANK = """
import json
import sys
import tensorflow.compat.v1 as tf
from efficientnet_trainer.accumulation import AccumulatingOptimizer
from efficientnet_trainer.lars import LarsOptimizer
from efficientnet_trainer.optimizer import moving_average
from efficientnet_trainer.packed_all_reduce import pack_collectives

own = float(sys.argv[1]) + 1

def model_fn(features, labels, mode):
    # Two of one shape and one of another: a wrong order or cut would show.
    a = tf.get_variable("a", [2], initializer=tf.constant_initializer([3.0, 4.0]))
    b = tf.get_variable("b", [3, 1], initializer=tf.zeros_initializer())
    c = tf.get_variable("c", [2], initializer=tf.zeros_initializer())
    loss = tf.reduce_sum([1.0, 2.0] * a + [5.0, 7.0] * c) * own
    loss += tf.reduce_sum(b * [[10.0], [20.0], [30.0]]) * own
    loss *= features[0]
    pack_collectives(tf.distribute.get_strategy(), 2)
    optimizer = AccumulatingOptimizer(LarsOptimizer(tf.constant(1.0), 0.9, 0.1), 2)
    train_op = optimizer.minimize(loss, tf.train.get_or_create_global_step())
    hook = optimizer.hook()
    assert has_collective(train_op.op) and not has_collective(hook.add)
    # As batch normalisation keeps its statistics: each rank its own.
    d = tf.get_variable("d", [2], initializer=tf.zeros_initializer(), trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.MEAN)
    with tf.control_dependencies([train_op, d.assign([own, 10 * own])]):
        train_op = optimizer.clear_after(moving_average(0.75).apply([a, d]))
    hooks = [hook, Show()]
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op, training_hooks=hooks)

class Show(tf.train.SessionRunHook):
    def end(self, session):
        variables = {v.op.name: v for v in tf.global_variables()}
        del variables["global_step"], variables["d"]
        print(json.dumps({name: session.run(v).ravel().tolist() for name, v in variables.items()}))

def has_collective(op, seen=None):
    seen = set() if seen is None else seen
    if op in seen:
        return False
    seen.add(op)
    before = [tensor.op for tensor in op.inputs] + op.control_inputs
    return op.type.startswith("Collective") or any(has_collective(o, seen) for o in before)

def input_fn():
    # The micro-batches of an update.
    return tf.data.Dataset.from_tensor_slices(([[0.5], [1.5]], [[1.0], [1.0]])).repeat()

estimator = tf.estimator.Estimator(model_fn, config=tf.estimator.RunConfig(
    model_dir=sys.argv[2],
    train_distribute=tf.distribute.experimental.MultiWorkerMirroredStrategy(),
))
tf.estimator.train_and_evaluate(
    estimator, tf.estimator.TrainSpec(input_fn, max_steps=1), tf.estimator.EvalSpec(input_fn))
"""


def test_two_ranks_apply_the_means_of_their_gradients_and_statistics(tmp_path, free_port):
    workers = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    ranks = []
    for rank in range(2):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": rank}}
        ranks.append(
            subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", RANK, str(rank), str(tmp_path)],
                env=dict(os.environ, TF_CONFIG=json.dumps(task)),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        )
    # The ranks' factors are 1 and 2, the micro-batches' 0.5 and 1.5; the mean gradients are
    # taken off zeros, but off the weights of "a" by a share of their length. A moving average
    # takes a quarter of the way to the ranks' mean.
    average = "ExponentialMovingAverage"
    weights, gradient = np.array([3.0, 4.0]), np.array([1.5, 3.0])
    trust = 0.001 * 5.0 / (np.linalg.norm(gradient) + 0.1 * 5.0)
    step = trust * (gradient + 0.1 * weights)
    want = {
        "a": weights - step,
        f"a/{average}": weights - 0.25 * step,
        "b": [-15.0, -30.0, -45.0],
        "c": [-7.5, -10.5],
        f"d/{average}": [0.375, 3.75],
    }
    for rank in ranks:
        output, _ = rank.communicate(timeout=100)
        assert rank.returncode == 0
        found = json.loads(output.decode())
        slots = {name for name in found if name.endswith("/LARS")}
        assert slots == {"a/LARS", "b/LARS", "c/LARS"}
        assert set(found) - slots == set(want)
        for name in want:
            assert found[name] == pytest.approx(want[name], rel=1e-6), name
