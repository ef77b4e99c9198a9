"""Frozen variables: no gradient, no decay, fixed statistics; all else learns."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.backend import Rank, session_config
from efficientnet_trainer.errors import ConfigError
from efficientnet_trainer.loss import weight_decay
from efficientnet_trainer.model import build_logits
from efficientnet_trainer.optimizer import averaged_variables, build_optimizer, build_train_op

NAME = "efficientnet-b0"


@pytest.fixture
def train(small_network):
    """Take two steps of a small network, and return its variables before and after."""

    def run(freeze):
        config = small_network(
            width_coefficient=0.1,
            depth_coefficient=0.1,
            freeze=freeze,
            moving_average_decay=0.5,
            # Enough to be seen where it should not act.
            weight_decay=0.1,
            drop_connect_rate=0,
        )
        images = tf.constant(np.random.RandomState(0).rand(4, 16, 16, 3), tf.float32)
        logits = build_logits(images, config.architecture, True, 10, freeze=config.freeze)
        loss = tf.norm(logits) + weight_decay(tf.trainable_variables(), config.weight_decay)
        step = tf.train.get_or_create_global_step()
        train_op = build_train_op(build_optimizer(config, tf.constant(0.1)), loss, config, step)
        names = {v.op.name: v for v in tf.global_variables() if v.op.name.startswith(NAME)}
        with tf.Session(config=session_config(Rank(0, 1, 1))) as session:
            session.run(tf.global_variables_initializer())
            before = session.run(names)
            for _ in range(2):
                session.run(train_op)
            return before, session.run(names)

    return run


def changed(before, after):
    return {name for name in before if not np.array_equal(before[name], after[name])}


def test_only_the_classifier_learns(train):
    everything_else = ("stem/", "blocks_", "head/conv2d/", "head/tpu_batch_normalization/")
    before, after = train(",".join(f"{NAME}/{part}" for part in everything_else))
    dense = f"{NAME}/head/dense/"
    assert {name.split("/RMSProp")[0] for name in changed(before, after)} == {
        dense + "kernel",
        dense + "bias",
        dense + "kernel/ExponentialMovingAverage",
        dense + "bias/ExponentialMovingAverage",
    }
    assert {name for name in before if "RMSProp" in name} == {
        dense + f"{name}/{slot}"
        for name in ("kernel", "bias")
        for slot in ("RMSProp", "RMSProp_1")
    }
    # A frozen weight keeps its average: evaluation reads that.
    averages = {name for name in before if name.endswith("ExponentialMovingAverage")}
    assert averages == {v.op.name + "/ExponentialMovingAverage" for v in averaged_variables()}
    assert len(averages) > 60


def test_statistics_move_above_what_is_frozen(train):
    before, after = train(f"{NAME}/model/stem/")
    moved = changed(before, after)
    assert not [name for name in moved if name.startswith(f"{NAME}/stem/")]
    assert f"{NAME}/blocks_0/tpu_batch_normalization/moving_mean" in moved
    assert f"{NAME}/blocks_0/depthwise_conv2d/depthwise_kernel" in moved


def test_frozen_batch_norm_normalises_as_in_evaluation(small_network):
    config = small_network(width_coefficient=0.1, depth_coefficient=0.1, dropout_rate=0)
    images = tf.constant(np.random.RandomState(0).rand(4, 16, 16, 3), tf.float32)
    frozen = config.architecture._replace(
        blocks=tuple(b._replace(drop_rate=0.0) for b in config.architecture.blocks)
    )
    parts = [f"{NAME}/{part}" for part in ("stem/", "blocks_", "head/tpu", "head/conv2d/")]
    trained = build_logits(images, frozen, True, 10, freeze=parts)
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        evaluated = build_logits(images, frozen, False, 10)
    with tf.Session(config=session_config(Rank(0, 1, 1))) as session:
        session.run(tf.global_variables_initializer())
        assert np.allclose(*session.run((trained, evaluated)))
    assert not tf.get_collection(tf.GraphKeys.UPDATE_OPS)


WRONG = {
    "no such variable": (
        f"{NAME}/blocks_99/",
        rf"--freeze={NAME}/blocks_99/ names no variable .* like {NAME}/stem/conv2d/kernel",
    ),
    "everything": (
        f"{NAME}/",
        rf"--freeze={NAME}/ leaves nothing to train; .* the classifier, {NAME}/head/dense/",
    ),
}


@pytest.mark.parametrize("freeze, message", WRONG.values(), ids=WRONG)
def test_what_cannot_be_meant_is_refused(freeze, message, train):
    with pytest.raises(ConfigError, match=message):
        train(freeze)
