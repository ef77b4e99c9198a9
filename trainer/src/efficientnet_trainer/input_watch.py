"""Measure how long each step waits for its batch, and keep a few images to look at.

Inside one ``session.run`` the wait cannot be told from the arithmetic.  But a pipeline hands
over a batch only when it is asked for the next, so two stages after its last buffer are
enough: one is asked first and notes the time, the other gets the batch and notes it again.
Neither adds to the network's graph, and both work whoever asks: the step, a strategy's
own thread, or the thread that feeds an NPU.
"""

from typing import Any, Callable

import tensorflow.compat.v1 as tf

from efficientnet_trainer.meters import InputMeter

METER = ("input_meter",)
"""Collection of the graph's one ``InputMeter``; a key that is no string is never exported."""

SAMPLES = 8
SAMPLE_SIZE = 224
"""Samples are thinned out to at most this side, pixels: a look takes no more."""

_EVER = 2**62


def watch_input(
    input_fn: Callable[[], tf.data.Dataset], sample_every: int
) -> Callable[[], tf.data.Dataset]:
    """Return an input_fn with the same batches, whose graph has an ``InputMeter``.

    Args:
        input_fn: returns a Dataset whose batches begin with images, float32 [n, h, w, 3]
            about 0 .. 255.
        sample_every: batches between those that images are kept of, from the first on;
            0 keeps none.
    """

    def watched() -> tf.data.Dataset:
        meter = InputMeter()
        tf.add_to_collection(METER, meter)
        return _watch(input_fn(), meter, sample_every)

    return watched


def _watch(dataset: tf.data.Dataset, meter: InputMeter, sample_every: int) -> tf.data.Dataset:
    @tf.autograph.experimental.do_not_convert
    def note_request(index: tf.Tensor) -> Any:
        return index, tf.timestamp()

    @tf.autograph.experimental.do_not_convert
    def note_batch(request: Any, batch: Any) -> Any:
        index, asked_at = request
        notes = [tf.py_func(meter.add_wait, [tf.timestamp() - asked_at], [])]
        if sample_every:
            notes.append(
                tf.cond(
                    tf.equal(index % sample_every, 0),
                    lambda: tf.py_func(meter.keep_images, [_samples(batch)], []),
                    tf.no_op,
                )
            )
        with tf.control_dependencies(notes):
            return tf.nest.map_structure(tf.identity, batch)

    requests = tf.data.Dataset.range(_EVER).map(note_request)
    return tf.data.Dataset.zip((requests, dataset)).map(note_batch)


def _samples(batch: Any) -> tf.Tensor:
    """Return a few of a batch's images, uint8 [k, h, w, 3]."""
    images = tf.nest.flatten(batch)[0]
    stride = -(-max(images.shape.as_list()[1:3]) // SAMPLE_SIZE)
    thinned = images[:SAMPLES, ::stride, ::stride]
    # Bicubic resizing overshoots a little.
    return tf.cast(tf.clip_by_value(thinned, 0, 255), tf.uint8)
