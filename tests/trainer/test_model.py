import json
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer import layers
from efficientnet_trainer.architecture import MODEL_NAMES, architecture
from efficientnet_trainer.loss import cross_entropy
from efficientnet_trainer.model import build_logits, normalize
from efficientnet_trainer.optimizer import build_optimizer, build_train_op

CONTRACT = os.path.join(os.path.dirname(__file__), "..", "contract")

MEMBERS = {
    # name: parameters, trainable variables, moving statistics; b0 .. b8 as published
    "efficientnet-b0": (5288548, 213, 98),
    "efficientnet-b1": (7794184, 301, 138),
    "efficientnet-b2": (9109994, 301, 138),
    "efficientnet-b3": (12233232, 340, 156),
    "efficientnet-b4": (19341616, 418, 192),
    "efficientnet-b5": (30389784, 506, 232),
    "efficientnet-b6": (43040704, 584, 268),
    "efficientnet-b7": (66347960, 711, 326),
    "efficientnet-b8": (87413142, 789, 362),
    "efficientnet-l2": (480309308, 1134, 520),
    "efficientnet-lite0": (4652008, 149, 98),
    "efficientnet-lite1": (5416680, 194, 128),
    "efficientnet-lite2": (6092072, 194, 128),
    "efficientnet-lite3": (8197096, 221, 146),
    "efficientnet-lite4": (13006568, 275, 182),
    "efficientnet-edgetpu-S": (5439673, 149, 98),
    "efficientnet-edgetpu-M": (6900777, 194, 128),
    "efficientnet-edgetpu-L": (10591249, 218, 144),
}


def test_every_member_is_counted():
    assert set(MEMBERS) == set(MODEL_NAMES)


@pytest.mark.parametrize("name, want", MEMBERS.items(), ids=MEMBERS)
def test_members_have_their_parameters(name, want):
    member = architecture(name)
    images = tf.placeholder(tf.float32, [None, member.image_size, member.image_size, 3])

    logits = build_logits(images, member, False, member.num_classes)

    trainable = tf.trainable_variables()
    parameters = sum(v.shape.num_elements() for v in trainable)
    statistics = len(tf.global_variables()) - len(trainable)
    assert (parameters, len(trainable), statistics) == want
    assert logits.shape.as_list() == [None, member.num_classes]
    assert all(v.op.name.startswith(name + "/") for v in tf.global_variables())


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_b0_has_the_variables_of_its_public_checkpoints(data_format):
    with open(os.path.join(CONTRACT, "variables-efficientnet-b0.json")) as file:
        golden = json.load(file)
    images = tf.placeholder(tf.float32, [None, 224, 224, 3])

    build_logits(images, architecture("efficientnet-b0"), True, 1000, data_format)

    found = {v.op.name: v.shape.as_list() for v in tf.global_variables()}
    assert found == golden


def test_fused_blocks_have_no_depthwise_convolution():
    images = tf.placeholder(tf.float32, [None, 224, 224, 3])
    build_logits(images, architecture("efficientnet-edgetpu-S"), False, 1001)
    scope = "efficientnet-edgetpu-S/blocks_1/"
    found = {v.op.name[len(scope) :]: v.shape.as_list() for v in tf.global_variables(scope)}
    kernels = {name: shape for name, shape in found.items() if name.endswith("kernel")}
    assert kernels == {"conv2d/kernel": [3, 3, 24, 192], "conv2d_1/kernel": [1, 1, 192, 32]}
    assert "tpu_batch_normalization_1/gamma" in found


def test_normalize_scales_by_channel():
    member = architecture("efficientnet-b0")
    pixels = np.stack([np.full((1, 2, 2), value) for value in (123.675, 255.0, 0.0)], axis=-1)
    with tf.Session() as session:
        got = session.run(normalize(tf.constant(pixels, tf.float32), member))
    want = [0.0, (255 - 0.456 * 255) / (0.224 * 255), -0.406 / 0.225]
    np.testing.assert_allclose(got[0, 1, 1], want, atol=1e-5)


def run_twice(config, is_training):
    """Run a network whose every random part is strong, twice on the same images."""
    images = tf.constant(np.random.RandomState(0).randn(8, 32, 32, 3), tf.float32)
    logits = build_logits(images, config.architecture, is_training, 10)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(logits), session.run(logits)


RANDOM_PARTS = {
    "drop-connect": {"dropout_rate": 0.0, "drop_connect_rate": 0.9},
    "dropout": {"dropout_rate": 0.9, "drop_connect_rate": 0.0},
}


@pytest.mark.parametrize("flags", RANDOM_PARTS.values(), ids=RANDOM_PARTS)
def test_random_parts_act_in_training_only(flags, small_network):
    # Full depth: the short network of the other tests has no block with a skip.
    config = small_network(depth_coefficient=1.0, **flags)
    first, second = run_twice(config, is_training=True)
    assert not np.allclose(first, second)

    with tf.Graph().as_default():
        first, second = run_twice(config, is_training=False)
    np.testing.assert_array_equal(first, second)


def test_drop_connect_drops_whole_samples_and_keeps_the_mean():
    with tf.Session() as session:
        got = session.run(layers.drop_connect(tf.ones([4000, 2, 2, 3]), 0.25))
    by_sample = got.reshape(4000, -1)
    assert set(np.unique(by_sample.round(4))) == {0.0, np.float32(1.3333)}
    assert (by_sample == by_sample[:, :1]).all()
    assert abs(by_sample.mean() - 1.0) < 0.05


def test_one_training_step_changes_weights_and_statistics(small_network):
    config = small_network(moving_average_decay=0.9, base_learning_rate=0.01)
    random = np.random.RandomState(0)
    images = tf.constant(random.randn(8, 32, 32, 3), tf.float32)
    logits = build_logits(images, config.architecture, True, 10)
    loss = cross_entropy(logits, tf.constant(random.randint(0, 10, 8)), 0.1)
    step = tf.train.get_or_create_global_step()
    variables = [v for v in tf.global_variables() if "efficientnet" in v.op.name]
    train_op = build_train_op(build_optimizer(config, tf.constant(0.01)), loss, config, step)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        before = session.run(variables)
        session.run(train_op)
        after, steps = session.run([variables, step])
    # A batch normalisation takes the mean away, so what precedes it may have no gradient.
    same = [v.op.name for v, x, y in zip(variables, before, after) if np.array_equal(x, y)]
    assert same == []
    assert steps == 1


def test_evaluation_updates_no_statistics(small_network):
    images = tf.placeholder(tf.float32, [None, 32, 32, 3])
    build_logits(images, small_network().architecture, False, 10)
    assert tf.get_collection(tf.GraphKeys.UPDATE_OPS) == []


def test_the_network_can_learn_a_batch_by_heart(small_network):
    config = small_network(dropout_rate=0.0, drop_connect_rate=0.0, batch_norm_momentum=0.9)
    tf.set_random_seed(1)
    random = np.random.RandomState(0)
    images = tf.constant(random.randn(16, 32, 32, 3), tf.float32)
    labels = tf.constant(random.randint(0, 10, 16))
    loss = cross_entropy(build_logits(images, config.architecture, True, 10), labels, 0.0)
    step = tf.train.get_or_create_global_step()
    train_op = build_train_op(build_optimizer(config, tf.constant(0.003)), loss, config, step)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        first = session.run(loss)
        for _ in range(40):
            session.run(train_op)
        last = session.run(loss)
    assert first > 2.0
    assert last < 0.5
