import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.pointwise import multiply_gradients

KERNELS = {
    # name: side, inputs' channels, filters, strides, padding
    "pointwise": (1, 5, 7, 1, "SAME"),
    "pointwise, valid": (1, 5, 7, 1, "VALID"),
    "pointwise, strided": (1, 5, 7, 2, "SAME"),
    "stem": (3, 3, 8, 2, "SAME"),
    "stem, valid": (3, 3, 8, 2, "VALID"),
}


@pytest.mark.parametrize("case", KERNELS.values(), ids=KERNELS)
def test_gradients_are_those_of_the_convolution(case):
    side, channels, filters, stride, padding = case
    random = np.random.RandomState(0)
    images = tf.placeholder(tf.float32, [None, None, None, channels])
    kernel = tf.constant(random.randn(side, side, channels, filters), tf.float32)

    def gradients():
        outputs = tf.nn.conv2d(images, kernel, [1, stride, stride, 1], padding)
        return outputs, tf.gradients(tf.reduce_sum(tf.sin(outputs)), [images, kernel])

    with multiply_gradients():
        outputs, found = gradients()
    wanted_outputs, wanted = gradients()
    feed = {images: random.randn(4, 6, 5, channels)}
    with tf.Session() as session:
        got = session.run([outputs, found, wanted_outputs, wanted], feed)
    np.testing.assert_array_equal(got[0], got[2])
    for mine, theirs in zip(got[1], got[3]):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)


def test_only_pointwise_kernels_become_products():
    images = tf.zeros([2, 4, 4, 3])
    with multiply_gradients():
        stem = tf.layers.conv2d(images, 8, 3, strides=2)
        loss = tf.reduce_sum(tf.layers.conv2d(stem, 4, 1))
    tf.gradients(loss, [images, *tf.trainable_variables()])
    types = [op.type for op in tf.get_default_graph().get_operations()]
    assert types.count("MatMul") == 2
    assert types.count("Conv2DBackpropInput") == types.count("Conv2DBackpropFilter") == 1


def test_channels_first_keeps_the_convolution():
    images = tf.zeros([2, 3, 4, 4])
    with multiply_gradients():
        outputs = tf.layers.conv2d(images, 4, 1, data_format="channels_first")
    tf.gradients(outputs, [images, *tf.trainable_variables()])
    types = [op.type for op in tf.get_default_graph().get_operations()]
    assert "MatMul" not in types
    assert types.count("Conv2DBackpropInput") == 1
