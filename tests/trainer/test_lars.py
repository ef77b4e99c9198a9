import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.lars import LarsOptimizer, is_left_out


def train(name, initial, gradients, use_resource, rate=0.5, decay=0.1):
    """Return a variable after each of the updates by these gradients."""
    weight = tf.get_variable(
        name, initializer=np.float32(initial), use_resource=use_resource, dtype=tf.float32
    )
    gradient = tf.placeholder(tf.float32, weight.shape)
    optimizer = LarsOptimizer(tf.constant(rate), 0.9, decay)
    update = optimizer.apply_gradients([(gradient, weight)])
    values = []
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for each in gradients:
            session.run(update, {gradient: each})
            values.append(session.run(weight))
    return values


@pytest.mark.parametrize("use_resource", [True, False], ids=["resource", "reference"])
def test_a_layer_is_stepped_by_a_share_of_its_weights(use_resource):
    # Weights of length 5, a gradient of length 10: 0.001 * 5 / (10 + 0.1 * 5).
    first = 0.5 * 0.001 * 5 / 10.5 * np.array([6.3, 8.4])
    (got,) = train("conv2d/kernel", [3.0, 4.0], [[6.0, 8.0]], use_resource)
    np.testing.assert_allclose(got, [3.0, 4.0] - first, rtol=1e-6)


def test_momentum_adds_up_steps():
    first, second = train("conv2d/kernel", [3.0, 4.0], [[6.0, 8.0], [0.0, 0.0]], True)
    # Without a gradient there is no length to scale by: the decay alone, unscaled.
    want = first + 0.9 * (first - [3.0, 4.0]) - 0.5 * 0.1 * first
    np.testing.assert_allclose(second, want, rtol=1e-6)


def test_the_length_of_the_gradient_does_not_matter_without_decay():
    steps = []
    for length in (1.0, 1000.0):
        with tf.Graph().as_default():
            (got,) = train("w", [3.0, 4.0], [[0.0, length]], True, decay=0.0)
        steps.append(got)
    np.testing.assert_allclose(steps[0], [3.0, 4.0 - 0.5 * 0.001 * 5], rtol=1e-6)
    np.testing.assert_allclose(steps[0], steps[1], rtol=1e-6)


def test_new_weights_of_zero_move():
    (got,) = train("w", [0.0, 0.0], [[2.0, 0.0]], True)
    np.testing.assert_allclose(got, [-1.0, 0.0])


LEFT_OUT = {
    "efficientnet-b0/blocks_0/tpu_batch_normalization/gamma": True,
    "efficientnet-b0/head/tpu_batch_normalization/beta": True,
    "efficientnet-b0/blocks_0/se/conv2d/bias": True,
    "efficientnet-b0/head/dense/bias": True,
    "efficientnet-b0/blocks_0/se/conv2d/kernel": False,
    "efficientnet-b0/blocks_0/depthwise_conv2d/depthwise_kernel": False,
    "unbiased/kernel": False,
}


@pytest.mark.parametrize("name, want", LEFT_OUT.items(), ids=LEFT_OUT)
def test_batch_normalisation_and_biases_are_left_out(name, want):
    assert is_left_out(name) == want
    with tf.Graph().as_default():
        (got,) = train(name, [3.0, 4.0], [[6.0, 8.0]], True)
    plain = [3.0 - 0.5 * 6.0, 4.0 - 0.5 * 8.0]
    assert np.allclose(got, plain) == want
