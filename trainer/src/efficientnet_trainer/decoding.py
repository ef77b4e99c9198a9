"""Decode single images with the ops that training uses, outside of a training graph.

What ``prepare`` accepts and ``inspect`` calls sound is what the trainer can read, because
the same code decodes it.
"""

from typing import Any, Callable, Tuple

import tensorflow.compat.v1 as tf

from efficientnet_trainer.examples import BadContentError


class ImageDecoder:
    """A session of its own with one thread; makes the graph at its first image."""

    def __init__(self) -> None:
        """Cost nothing until something is decoded."""
        self._run: Any = None

    def measure(self, encoded: bytes) -> Tuple[int, int]:
        """Decode a whole image and return its height and width, pixels.

        Raises:
            BadContentError: it is no JPEG or PNG, or is broken.
        """
        if self._run is None:
            self._run = build_callable(lambda data: tf.shape(decode_whole(data))[:2])
        height, width = call(self._run, encoded)
        return int(height), int(width)


def decode_whole(encoded: tf.Tensor) -> tf.Tensor:
    """Return uint8 [h, w, 3] of a JPEG or PNG."""
    return tf.cond(
        tf.image.is_jpeg(encoded),
        lambda: tf.image.decode_jpeg(encoded, channels=3),
        lambda: tf.image.decode_png(encoded, channels=3),
    )


def build_callable(function: Callable[[tf.Tensor], Any]) -> Any:
    """Return a Python function of bytes that runs ``function`` in a session of its own."""
    with tf.Graph().as_default():
        encoded = tf.placeholder(tf.string, [])
        fetches = function(encoded)
        # The process's pools of threads are the training session's to make.
        settings = tf.ConfigProto(
            use_per_session_threads=True,
            intra_op_parallelism_threads=1,
            inter_op_parallelism_threads=1,
            device_count={"GPU": 0},
        )
        return tf.Session(config=settings).make_callable(fetches, [encoded])


def call(run: Any, encoded: bytes) -> Any:
    """Run what ``build_callable`` made.

    Raises:
        BadContentError: TensorFlow cannot decode the bytes.
    """
    try:
        return run(encoded)
    except tf.errors.InvalidArgumentError as error:
        reason = error.message.strip().split("\n", 1)[0].split(" [Op:", 1)[0]
        raise BadContentError(f"no readable JPEG or PNG ({reason.strip()})") from None
