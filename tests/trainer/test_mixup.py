import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer import mixup
from efficientnet_trainer.loss import cross_entropy


def draw_weights(alpha, seed, count=2000):
    dataset = tf.data.Dataset.from_tensor_slices((np.zeros([count, 1]), np.zeros(count, int)))
    dataset = mixup.add_weights(dataset.batch(100, drop_remainder=True), alpha, seed)
    _, labels = tf.data.make_one_shot_iterator(dataset).get_next()
    assert labels[mixup.WEIGHT].shape.as_list() == [100]
    with tf.Session() as session:
        return np.concatenate([session.run(labels[mixup.WEIGHT]) for _ in range(count // 100)])


@pytest.mark.parametrize("alpha", [0.01, 0.2, 1.0, 5.0])
def test_weights_are_the_larger_part_of_a_beta_variate(alpha):
    got = draw_weights(alpha, seed=1)
    assert np.all((got >= 0.5) & (got <= 1.0))
    variates = np.random.RandomState(0).beta(alpha, alpha, 100000)
    want = np.maximum(variates, 1.0 - variates)
    for quantile in (0.1, 0.5, 0.9):
        assert np.quantile(got, quantile) == pytest.approx(np.quantile(want, quantile), abs=0.03)


def test_a_seed_gives_the_same_weights_again():
    first, again, other = (draw_weights(0.2, seed, 200) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    # A batch is not the one before.
    assert not np.array_equal(first[:100], first[100:])


def mix(images, classes, weights):
    labels = {mixup.CLASS: tf.constant(classes), mixup.WEIGHT: tf.constant(np.float32(weights))}
    with tf.Session() as session:
        return session.run(mixup.mix(tf.constant(np.float32(images)), labels, 4))


def test_images_and_labels_are_mixed_alike():
    images, shares = mix([[[0.0]], [[10.0]], [[100.0]]], [0, 1, 3], [0.75, 0.5, 1.0])
    np.testing.assert_allclose(images.ravel(), [25.0, 10.0, 100.0])
    np.testing.assert_allclose(shares, [[0.75, 0, 0, 0.25], [0, 1, 0, 0], [0, 0, 0, 1]])


def test_the_loss_is_the_mixed_losses():
    logits = tf.constant(np.random.RandomState(0).randn(2, 4), tf.float32)
    _, shares = mix([[0.0], [0.0]], [2, 1], [0.7, 0.7])
    both = cross_entropy(logits, tf.constant(shares), 0.1)
    own = cross_entropy(logits, tf.constant([2, 1]), 0.1)
    others = cross_entropy(logits, tf.constant([1, 2]), 0.1)
    with tf.Session() as session:
        got, first, second = session.run([both, own, others])
    assert got == pytest.approx(0.7 * first + 0.3 * second, rel=1e-5)
