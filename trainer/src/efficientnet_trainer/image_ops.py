"""The distortions that AutoAugment and RandAugment choose from, as TensorFlow ops.

Each takes and returns pixels float32 [height, width, 3] from 0 to 255 and does what Pillow's
function of that name does, with which both policies were found, but for its rounding to
bytes.  They run on the host's cores, once or twice for each training image: floats, because
the processor has them four at a time and converts each byte on its own; and along whole
rows of width x 3 values, because a pixel's three are too short for that.
"""

import math
from typing import Tuple, Union

import tensorflow.compat.v1 as tf

FILL = 128.0
"""Value of pixels that come from outside of the image, in each channel."""
GREY_WEIGHTS = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in brightness, ITU-R 601-2."""
_LEVELS = 256


def invert(image: tf.Tensor) -> tf.Tensor:
    """Make dark what is bright."""
    return 255.0 - image


def posterize(image: tf.Tensor, bits: tf.Tensor) -> tf.Tensor:
    """Keep the ``bits`` highest bits of each value, a whole number; at least 1, at most 8."""
    step = tf.pow(2.0, 8.0 - tf.clip_by_value(bits, 1.0, 8.0))
    return tf.floor(image * (1.0 / step)) * step


def solarize(image: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
    """Invert the values from ``threshold`` on, 0 .. 256; at 256 there are none."""
    return tf.where_v2(image < threshold, image, invert(image))


def solarize_add(image: tf.Tensor, addition: tf.Tensor) -> tf.Tensor:
    """Add to the values below 128."""
    return tf.where_v2(image < 128.0, tf.minimum(image + addition, 255.0), image)


def brightness(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Blend with black: 0 is black, 1 the image, above 1 is brighter."""
    return tf.minimum(image * factor, 255.0)


def color(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Blend with its shades of grey: 0 is grey, 1 the image, above 1 is more colourful."""
    grey = tf.constant([[weight] * 3 for weight in GREY_WEIGHTS])
    mixing = factor * tf.eye(3) + (1.0 - factor) * grey
    mixed = tf.matmul(tf.reshape(image, [-1, 3]), mixing)
    return tf.reshape(_clip(mixed), tf.shape(image))


def contrast(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Blend with the mean shade of grey: 0 is even, 1 the image, above 1 has more contrast."""
    channels = tf.reduce_mean(tf.reduce_mean(image, axis=0), axis=0)
    mean = tf.round(tf.reduce_sum(channels * GREY_WEIGHTS))
    return _clip(image * factor + mean * (1.0 - factor))


def sharpness(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Blend with a smoothed image, all but the border: 0 is smooth, above 1 is sharper."""
    rows = _rows(image)
    inner = rows[1:-1, 3:-3]
    columns = rows[:-2] + rows[1:-1] + rows[2:]
    squares = columns[:, :-6] + columns[:, 3:-3] + columns[:, 6:]
    # Pillow's kernel is 5 in the middle and 1 around it.
    smooth = (squares + 4.0 * inner) * (1.0 / 13.0)
    sharp = _clip(smooth + factor * (inner - smooth))
    middle = tf.concat([rows[1:-1, :3], sharp, rows[1:-1, -3:]], axis=1)
    return tf.reshape(tf.concat([rows[:1], middle, rows[-1:]], axis=0), tf.shape(image))


def autocontrast(image: tf.Tensor) -> tf.Tensor:
    """Stretch each channel to 0 .. 255."""
    width = tf.shape(image)[1]
    low = tf.reduce_min(tf.reduce_min(image, axis=0), axis=0)
    high = tf.reduce_max(tf.reduce_max(image, axis=0), axis=0)
    # A channel of one value stays.
    scale = tf.where_v2(high > low, 255.0 / tf.maximum(high - low, 1e-3), 1.0)
    offset = tf.where_v2(high > low, -low * scale, 0.0)
    stretched = _rows(image) * tf.tile(scale, [width]) + tf.tile(offset, [width])
    return tf.reshape(_clip(stretched), tf.shape(image))


def equalize(image: tf.Tensor) -> tf.Tensor:
    """Spread each channel so that its values are about equally frequent."""
    # A number for each value of each channel.
    channels = tf.tile(tf.range(3) * _LEVELS, [tf.shape(image)[1]])
    values = tf.cast(_rows(image), tf.int32) + channels
    counts = tf.math.bincount(values, minlength=3 * _LEVELS, maxlength=3 * _LEVELS)
    counts = tf.reshape(counts, [3, _LEVELS])
    below = tf.cumsum(counts, axis=1, exclusive=True)
    # All pixels of a channel but those of its largest value take part in the step's size.
    present = tf.where_v2(counts > 0, below, 0)
    step = tf.reduce_max(present, axis=1, keepdims=True) // 255
    spread = tf.minimum((step // 2 + below) // tf.maximum(step, 1), 255)
    table = tf.where_v2(step > 0, spread, tf.range(_LEVELS))
    table = tf.reshape(tf.cast(table, tf.float32), [-1])
    return tf.reshape(tf.gather(table, values), tf.shape(image))


def rotate(image: tf.Tensor, degrees: tf.Tensor) -> tf.Tensor:
    """Turn to the left about the middle."""
    angle = -degrees * (math.pi / 180.0)
    cos, sin = tf.cos(angle), tf.sin(angle)
    size = tf.cast(tf.shape(image), tf.float32)
    x, y = size[1] / 2.0, size[0] / 2.0
    return _affine(image, (cos, sin, x - cos * x - sin * y), (-sin, cos, y + sin * x - cos * y))


def shear_x(image: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
    """Move each row by ``level`` pixels more than the one above."""
    return _affine(image, (1.0, level, 0.0), _SAME_Y)


def shear_y(image: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
    """Move each column by ``level`` pixels more than the one to its left."""
    return _affine(image, _SAME_X, (level, 1.0, 0.0))


def translate_x(image: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
    """Move to the left."""
    return _affine(image, (1.0, 0.0, pixels), _SAME_Y)


def translate_y(image: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
    """Move upwards."""
    return _affine(image, _SAME_X, (0.0, 1.0, pixels))


def cutout(image: tf.Tensor, reach: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Cover the pixels less than ``reach`` from the middle at ``x`` and ``y``, shares 0 .. 1.

    Source: DeVries and Taylor 2017.
    """
    shape = tf.shape(image)

    def covered(size: tf.Tensor, share: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor]:
        middle = tf.cast(share * tf.cast(size, tf.float32), tf.int32)
        whole = tf.cast(reach, tf.int32)
        return tf.maximum(middle - whole, 0), tf.minimum(middle + whole, size)

    (top, bottom), (left, right) = covered(shape[0], y), covered(shape[1], x)
    rows = image[top:bottom]
    patch = tf.fill(tf.stack([bottom - top, right - left, 3]), FILL)
    rows = tf.concat([rows[:, :left], patch, rows[:, right:]], axis=1)
    return tf.concat([image[:top], rows, image[bottom:]], axis=0)


def _rows(image: tf.Tensor) -> tf.Tensor:
    return tf.reshape(image, [-1, tf.shape(image)[1] * 3])


def _clip(values: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(values, 0.0, 255.0)


Factor = Union[float, tf.Tensor]
Row = Tuple[Factor, Factor, Factor]
_SAME_X = (1.0, 0.0, 0.0)
_SAME_Y = (0.0, 1.0, 0.0)


def _affine(image: tf.Tensor, x_from: Row, y_from: Row) -> tf.Tensor:
    """Fetch each pixel from the place that an affine map of its own place gives.

    Args:
        image: float32 [h, w, 3].
        x_from: factors of x and y and a constant, whose sum is the place's x, all counted
            from the image's corner; a pixel's middle is half a pixel from its corner.
        y_from: the same for the place's y.
    """
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    x = tf.cast(tf.range(width), tf.float32)[None, :] + 0.5
    y = tf.cast(tf.range(height), tf.float32)[:, None] + 0.5

    def index(row: Row, size: tf.Tensor) -> tf.Tensor:
        """Return places in a frame around the image, onto which all fall that miss it."""
        # A factor of 0 that is known keeps a row or column one, instead of a plane.
        terms = [f * v for f, v in zip(row, (x, y)) if not (isinstance(f, float) and f == 0.0)]
        place = terms[0] + (row[2] + 1.0)
        place = place if len(terms) == 1 else place + terms[1]
        place = tf.clip_by_value(place, 0.0, tf.cast(size + 1, tf.float32))
        return tf.cast(place, tf.int32)

    places = index(y_from, height) * (width + 2) + index(x_from, width)
    side = tf.fill(tf.stack([height, 1, 3]), FILL)
    edge = tf.fill(tf.stack([1, width + 2, 3]), FILL)
    framed = tf.concat([edge, tf.concat([side, image, side], axis=1), edge], axis=0)
    return tf.gather(tf.reshape(framed, [-1, 3]), places)
