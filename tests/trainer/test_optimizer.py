import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.architecture import architecture
from efficientnet_trainer.model import build_logits
from efficientnet_trainer.optimizer import (
    averaged_variables,
    build_optimizer,
    build_train_op,
)

SLOTS = {
    "rmsprop": {"w/RMSProp", "w/RMSProp_1"},
    "momentum": {"w/Momentum"},
    "lars": {"w/LARS"},
    "sgd": set(),
}


@pytest.mark.parametrize("name, want", SLOTS.items(), ids=SLOTS)
def test_optimizers_have_the_slots_of_public_checkpoints(name, want, make_config):
    weight = tf.get_variable("w", initializer=1.0)
    build_optimizer(make_config(optimizer=name), tf.constant(0.1)).minimize(weight * weight)
    assert {v.op.name for v in tf.global_variables()} - {"w"} == want


def test_rmsprop_takes_the_published_step(make_config):
    weight = tf.get_variable("w", initializer=2.0)
    train_op = build_optimizer(make_config(), tf.constant(0.1)).minimize(3.0 * weight)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(train_op)
        got = session.run(weight)
    # The mean square starts at 1: 0.9 + 0.1 * 3 * 3 = 1.8; epsilon is inside the root.
    assert got == pytest.approx(2.0 - 0.1 * 3.0 / np.sqrt(1.8 + 0.001), rel=1e-5)


def test_b0_averages_trainables_and_statistics_in_the_order_of_names():
    images = tf.placeholder(tf.float32, [None, 224, 224, 3])
    build_logits(images, architecture("efficientnet-b0"), True, 1000)
    names = [v.op.name for v in averaged_variables()]
    assert len(names) == 311
    assert names == sorted(names)


def test_slots_and_averages_are_not_averaged_again(small_network):
    config = small_network()
    images = tf.placeholder(tf.float32, [None, 32, 32, 3])
    logits = build_logits(images, config.architecture, True, 10)
    step = tf.train.get_or_create_global_step()
    before = [v.op.name for v in averaged_variables()]
    build_train_op(build_optimizer(config, tf.constant(0.1)), tf.norm(logits), config, step)

    assert [v.op.name for v in averaged_variables()] == before
    averages = {v.op.name for v in tf.global_variables() if "ExponentialMovingAverage" in v.name}
    assert averages == {name + "/ExponentialMovingAverage" for name in before}


def test_the_order_is_not_that_of_creation():
    for name in ("b", "c/moving_mean", "a"):
        tf.get_variable(name, initializer=0.0, trainable=name in "ab")
    tf.get_variable("unrelated", initializer=0.0, trainable=False)
    assert [v.op.name for v in averaged_variables()] == ["a", "b", "c/moving_mean"]


AVERAGES = {
    # decay, average after one update of 1.0 to 0.0
    "early on it follows faster": (0.9999, 2.0 / 11.0),
    "a low decay is kept": (0.1, 0.1),
}


@pytest.mark.parametrize("decay, want", AVERAGES.values(), ids=AVERAGES)
def test_the_average_follows_the_updated_weight(decay, want, make_config):
    config = make_config(moving_average_decay=decay, optimizer="sgd")
    weight = tf.get_variable("w", initializer=1.0)
    step = tf.train.get_or_create_global_step()
    train_op = build_train_op(build_optimizer(config, tf.constant(1.0)), weight, config, step)
    by_name = {v.op.name: v for v in tf.global_variables()}
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(train_op)
        assert session.run(weight) == 0.0
        got = session.run(by_name["w/ExponentialMovingAverage"])
    assert got == pytest.approx(want, rel=1e-5)


def test_no_decay_keeps_no_average(make_config):
    config = make_config(moving_average_decay=0, optimizer="sgd")
    weight = tf.get_variable("w", initializer=1.0)
    step = tf.train.get_or_create_global_step()
    build_train_op(build_optimizer(config, tf.constant(1.0)), weight, config, step)
    assert {v.op.name for v in tf.global_variables()} == {"w", "global_step"}
