"""What training minimises: smoothed cross-entropy and weight decay."""

from typing import Any, Sequence

import tensorflow.compat.v1 as tf


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor, label_smoothing: float) -> tf.Tensor:
    """Return the mean of ``cross_entropies``, float32 tensor []."""
    return tf.reduce_mean(cross_entropies(logits, labels, label_smoothing))


def cross_entropies(logits: tf.Tensor, labels: tf.Tensor, label_smoothing: float) -> tf.Tensor:
    """Return each image's softmax cross-entropy against its smoothed label.

    Args:
        logits: float32 [n, classes].
        labels: int32 [n], 0 .. classes - 1; or float32 [n, classes], shares that sum to 1.
        label_smoothing: share of each target that is spread evenly over all classes,
            the true one included.

    Returns:
        float32 [n].

    Source: Szegedy et al. 2016, section 7.
    """
    num_classes = int(logits.shape[-1])
    targets = tf.one_hot(labels, num_classes) if labels.dtype.is_integer else labels
    targets = (1.0 - label_smoothing) * targets + label_smoothing / num_classes
    return tf.nn.softmax_cross_entropy_with_logits_v2(
        labels=tf.stop_gradient(targets), logits=logits
    )


def weight_decay(variables: Sequence[Any], factor: float) -> tf.Tensor:
    """Return factor * sum of squares / 2 over what is decayed.

    Scales and offsets of batch normalisation are left out; the biases of squeeze and
    excitation and of the classifier are not, as in the published recipe.
    """
    decayed = [v for v in variables if "batch_normalization" not in v.name]
    return factor * tf.add_n([tf.nn.l2_loss(v) for v in decayed])
