import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer import layers
from efficientnet_trainer.architecture import architecture
from efficientnet_trainer.loss import cross_entropy
from efficientnet_trainer.model import build_logits, normalize
from efficientnet_trainer.optimizer import build_optimizer, build_train_op


def test_normalize_scales_by_channel():
    member = architecture("efficientnet-b0")
    pixels = np.stack([np.full((1, 2, 2), value) for value in (123.675, 255.0, 0.0)], axis=-1)
    with tf.Session() as session:
        got = session.run(normalize(tf.constant(pixels, tf.float32), member))
    want = [0.0, (255 - 0.456 * 255) / (0.224 * 255), -0.406 / 0.225]
    np.testing.assert_allclose(got[0, 1, 1], want, atol=1e-5)


NORMALIZED = {
    # name: 127 of each channel after normalisation
    "efficientnet-b0": [
        (127 / 255 - m) / s for m, s in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))
    ],
    "efficientnet-lite0": [0.0, 0.0, 0.0],
    "efficientnet-edgetpu-S": [0.0, 0.0, 0.0],
}


@pytest.mark.parametrize("name, want", NORMALIZED.items(), ids=NORMALIZED)
def test_each_branch_has_its_own_normalisation(name, want):
    with tf.Session() as session:
        grey = normalize(tf.fill([1, 1, 1, 3], 127.0), architecture(name))
        white = normalize(tf.fill([1, 1, 1, 3], 255.0), architecture(name))
        got, step = session.run([grey[0, 0, 0], (white - grey)[0, 0, 0]])
    np.testing.assert_allclose(got, want, atol=1e-5)
    if not any(want):
        assert list(step) == [1.0, 1.0, 1.0]


def test_swish_in_training_has_the_values_and_the_gradient_of_swish():
    points = tf.constant(np.linspace(-30.0, 30.0, 601), tf.float32)
    plain, training = (layers.activation("swish", mode)(points) for mode in (False, True))
    slopes = [tf.gradients(3.0 * values, points)[0] for values in (plain, training)]
    with tf.Session() as session:
        values, gradients = session.run([[plain, training], slopes])
    np.testing.assert_array_equal(*values)
    np.testing.assert_allclose(*gradients, atol=1e-6)


def test_only_the_graph_of_training_has_a_gradient_of_its_own(small_network):
    images = tf.placeholder(tf.float32, [None, 32, 32, 3])
    found = []
    for is_training in (True, False):
        with tf.variable_scope("", reuse=not is_training), tf.name_scope(str(is_training)):
            build_logits(images, small_network().architecture, is_training, 10)
        operations = tf.get_default_graph().get_operations()
        found.append(sum(op.type == "IdentityN" for op in operations))
    assert found[0] > 0
    assert found[1] == found[0]


INITIAL = {
    # shape of a kernel: standard deviation, by the kernel's area and its last axis
    "a convolution": ([3, 3, 32, 64], (2 / (9 * 64)) ** 0.5),
    "a projection": ([1, 1, 192, 320], (2 / 320) ** 0.5),
    "a depthwise convolution, whose outputs count as one": ([5, 5, 672, 1], (2 / 25) ** 0.5),
}


@pytest.mark.parametrize("shape, stddev", INITIAL.values(), ids=INITIAL)
def test_kernels_are_drawn_from_a_normal_distribution(shape, stddev):
    tf.set_random_seed(1)
    with tf.Session() as session:
        drawn = session.run(layers.conv_initializer(shape, tf.float32))
    assert drawn.std() == pytest.approx(stddev, rel=0.03)
    assert abs(drawn.mean()) < 0.03 * stddev
    # A truncated one ends at two.
    assert np.abs(drawn).max() > 3 * stddev


@pytest.mark.parametrize("classes, bound", [(2500, 0.02), (1000, 0.03162), (10, 0.03162)])
def test_the_classifier_is_drawn_evenly_by_its_classes(classes, bound):
    tf.set_random_seed(1)
    with tf.Session() as session:
        drawn = session.run(layers.dense_initializer([1280, classes], tf.float32))
    assert 0.999 * bound < drawn.max() <= 1.001 * bound
    assert -1.001 * bound <= drawn.min() < -0.999 * bound
    assert drawn.std() == pytest.approx(2 * bound / 12**0.5, rel=0.02)


def test_a_new_network_of_few_classes_prefers_none():
    tf.set_random_seed(1)
    with tf.Session() as session:
        head = session.run(layers.dense_initializer([1280, 10], tf.float32))
    pooled = np.random.RandomState(1).uniform(0, 0.5, [64, 1280])
    logits = pooled @ head
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert chances.max() < 0.3


def test_batch_normalisation_has_the_momentum_it_is_given_and_its_epsilon():
    pixels = tf.constant([[[[1.0, 5.0]], [[3.0, 5.0]]]])
    layout = layers.Layout("channels_last")
    outputs = layers.batch_norm(pixels, True, 0.75, layout, "norm")
    mean = next(v for v in tf.global_variables() if v.op.name.endswith("moving_mean"))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(tf.get_collection(tf.GraphKeys.UPDATE_OPS))
        got, moved = session.run([outputs[0, :, 0], mean])
    np.testing.assert_allclose(moved, [0.25 * 2, 0.25 * 5], rtol=1e-6)
    np.testing.assert_allclose(got[:, 0], [-1 / 1.001**0.5, 1 / 1.001**0.5], rtol=1e-5)
    np.testing.assert_allclose(got[:, 1], [0.0, 0.0], atol=1e-5)


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


@pytest.mark.parametrize("width", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("branch", ["lite0", "b0", "edgetpu-S"])
def test_every_branch_can_be_made_narrow(branch, width):
    """Lite's stem keeps its width, so a narrow first block has more coming in than going out."""
    member = architecture(f"efficientnet-{branch}", width=width, depth=0.1)
    logits = build_logits(tf.placeholder(tf.float32, [None, 32, 32, 3]), member, True, 10)
    assert logits.shape.as_list() == [None, 10]
