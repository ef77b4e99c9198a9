"""Mixup: train on sums of two images, weighted alike with the sums of their labels.

The input pipeline draws the weights, where random numbers are cheap and repeatable; the
network's own device adds up the images, so that the pipeline's cores need not.
"""

from typing import Any, Dict, Optional, Tuple

import tensorflow.compat.v1 as tf

CLASS = "class"
WEIGHT = "weight"
Labels = Dict[str, tf.Tensor]


def add_weights(dataset: tf.data.Dataset, alpha: float, seed: Optional[int]) -> tf.data.Dataset:
    """Draw for each image the share that it keeps of itself.

    Args:
        dataset: batches of images [n, ...] and labels int32 [n].
        alpha: of the distribution Beta(alpha, alpha), above 0; the larger of the share and
            its complement is taken, so that images of a pair do not trade places.
        seed: of the draws, or None for other ones each time.

    Returns:
        A dataset of images and labels, the latter a dict of ``class``, int32 [n], and
        ``weight``, float32 [n] from 0.5 to 1.
    """

    @tf.autograph.experimental.do_not_convert
    def draw(images: tf.Tensor, labels: tf.Tensor) -> Tuple[tf.Tensor, Labels]:
        # Two gamma variates give a beta variate.  float64, for a small alpha leaves float32 zeros.
        shape = [2, tf.shape(labels)[0]]
        parts = tf.random.gamma(shape, alpha, dtype=tf.float64, seed=seed)
        shares = parts / tf.reduce_sum(parts, axis=0)
        weights = tf.cast(tf.reduce_max(shares, axis=0), tf.float32)
        weights.set_shape(labels.shape)
        return images, {CLASS: labels, WEIGHT: weights}

    # Not in parallel: one op then draws for all batches, in their order.
    return dataset.map(draw)


def mix(images: tf.Tensor, labels: Any, num_classes: int) -> Tuple[tf.Tensor, tf.Tensor]:
    """Mix each image with the one as far from the batch's other end.

    Args:
        images: float32 [n, ...].
        labels: as of ``add_weights``.
        num_classes: classes of the result.

    Returns:
        Images as they came in shape, and the classes' shares, float32 [n, num_classes].

    Source: Zhang et al. 2018.
    """
    weights = labels[WEIGHT]

    def blend(values: tf.Tensor) -> tf.Tensor:
        own = tf.reshape(weights, [-1] + [1] * (values.shape.ndims - 1))
        return own * values + (1.0 - own) * tf.reverse(values, [0])

    return blend(images), blend(tf.one_hot(labels[CLASS], num_classes))
