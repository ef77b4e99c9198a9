"""Make an encoded image smaller, in TensorFlow: for ``prepare`` and for the input's cache."""

import tensorflow.compat.v1 as tf

from efficientnet_trainer.decoding import decode_whole


def resize_encoded(encoded: tf.Tensor, shorter_side: int, quality: int) -> tf.Tensor:
    """Return an image whose shorter side is at most ``shorter_side``.

    Args:
        encoded: string tensor [], JPEG or PNG.
        shorter_side: pixels; the aspect ratio is kept.
        quality: of the JPEG, 1 to 100.

    Returns:
        string tensor []: a JPEG, or ``encoded`` itself where it is small enough.  Each pixel
        is the mean of the area that it covers, so that fine patterns do not alias.
    """
    image = decode_whole(encoded)
    shape = tf.shape(image)[:2]
    scale = shorter_side / tf.cast(tf.reduce_min(shape), tf.float64)

    def shrink() -> tf.Tensor:
        size = tf.maximum(tf.cast(tf.round(tf.cast(shape, tf.float64) * scale), tf.int32), 1)
        small = tf.image.resize_area([image], size)[0]
        return tf.image.encode_jpeg(tf.cast(tf.round(small), tf.uint8), quality=quality)

    return tf.cond(scale < 1, shrink, lambda: tf.identity(encoded))
