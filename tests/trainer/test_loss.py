import math

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.loss import cross_entropy, weight_decay

LOSSES = {
    # logits, label, smoothing, loss; all by hand
    "even logits": ([0.0, 0.0, 0.0, 0.0], 2, 0.0, math.log(4)),
    "even logits do not mind smoothing": ([0.0, 0.0, 0.0, 0.0], 2, 0.1, math.log(4)),
    "a right guess": ([0.0, math.log(3.0)], 1, 0.0, math.log(4 / 3)),
    # targets .05 and .95, log probabilities -log 4 and -log 4/3
    "a right guess, smoothed": (
        [0.0, math.log(3.0)],
        1,
        0.1,
        0.05 * math.log(4) + 0.95 * math.log(4 / 3),
    ),
}


@pytest.mark.parametrize("logits, label, smoothing, want", LOSSES.values(), ids=LOSSES)
def test_cross_entropy(logits, label, smoothing, want):
    loss = cross_entropy(tf.constant([logits, logits]), tf.constant([label, label]), smoothing)
    with tf.Session() as session:
        assert session.run(loss) == pytest.approx(want, rel=1e-5)


def test_shares_of_classes_are_labels_too():
    logits = tf.constant(np.random.RandomState(0).randn(3, 5), tf.float32)
    by_class = cross_entropy(logits, tf.constant([4, 0, 2]), 0.1)
    by_share = cross_entropy(logits, tf.one_hot([4, 0, 2], 5), 0.1)
    with tf.Session() as session:
        got, want = session.run([by_share, by_class])
    assert got == pytest.approx(want)


def test_weight_decay_leaves_batch_normalisation_out():
    kernel = tf.get_variable("m/conv2d/kernel", initializer=np.float32([3.0, 4.0]))
    bias = tf.get_variable("m/se/conv2d/bias", initializer=np.float32([1.0]))
    gamma = tf.get_variable("m/tpu_batch_normalization/gamma", initializer=np.float32([9.0]))
    loss = weight_decay([kernel, bias, gamma], 0.1)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run(loss) == pytest.approx(0.1 * (25 + 1) / 2)
