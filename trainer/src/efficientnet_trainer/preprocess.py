"""Turn an encoded image into the pixels that the network is fed.

Training sees a random crop, mirrored by chance; evaluation the centre.  A crop of a JPEG
is decoded alone (a fifth faster than the whole), so decoding and cropping are one step.
Pixels stay about 0 .. 255: bicubic resizing overshoots a little at edges, and the public
checkpoints were trained and evaluated with that.
"""

from typing import Tuple

import tensorflow.compat.v1 as tf

CROP_PADDING = 32
"""Evaluation keeps size / (size + 32) of the shorter side, 87.5 % at 224 pixels."""
MIN_OBJECT_COVERED = 0.1
ASPECT_RATIOS = (3.0 / 4, 4.0 / 3)
AREAS = (0.08, 1.0)
MAX_ATTEMPTS = 10


def preprocess_image(
    encoded: tf.Tensor, image_size: int, is_training: bool, crop_and_flip: bool
) -> tf.Tensor:
    """Decode, crop, resize and perhaps mirror one image.

    Args:
        encoded: string tensor [], JPEG or PNG.
        image_size: side of the result, pixels.
        is_training: a random crop and flip; else the centre.
        crop_and_flip: False only resizes the whole image, in either mode.

    Returns:
        float32 [image_size, image_size, 3], about 0 .. 255.

    Source: Szegedy et al. 2014, section 6, for the distorted crop.
    """
    if not crop_and_flip:
        return _resize(tf.image.decode_jpeg(encoded, channels=3), image_size)
    if not is_training:
        return _resize(_decode_centre(encoded, image_size), image_size)
    image = _resize(_decode_random_crop(encoded, image_size), image_size)
    return tf.image.random_flip_left_right(image)


def _decode_random_crop(encoded: tf.Tensor, image_size: int) -> tf.Tensor:
    shape = _image_shape(encoded)
    begin, size, _ = tf.image.sample_distorted_bounding_box(
        shape,
        bounding_boxes=tf.constant([0.0, 0.0, 1.0, 1.0], shape=[1, 1, 4]),
        min_object_covered=MIN_OBJECT_COVERED,
        aspect_ratio_range=ASPECT_RATIOS,
        area_range=AREAS,
        max_attempts=MAX_ATTEMPTS,
        use_image_if_no_bounding_boxes=True,
    )
    # The whole image comes back where no attempt fitted; the centre keeps its aspect ratio.
    # Height and width alone: as the number of channels the op gives -1, "all of them".
    found = tf.reduce_any(tf.not_equal(size[:2], shape[:2]))
    centre = _centre_window(shape, image_size)
    drawn = tf.concat([begin[:2], size[:2]], axis=0)
    return _decode_window(encoded, tf.where_v2(found, drawn, centre))


def _decode_centre(encoded: tf.Tensor, image_size: int) -> tf.Tensor:
    return _decode_window(encoded, _centre_window(_image_shape(encoded), image_size))


def _centre_window(shape: tf.Tensor, image_size: int) -> tf.Tensor:
    """Return [top, left, height, width] of the square in the centre."""
    height, width = shape[0], shape[1]
    share = image_size / (image_size + CROP_PADDING)
    shorter = tf.cast(tf.minimum(height, width), tf.float32)
    # One pixel at least: a crop of nothing cannot be decoded.
    side = tf.maximum(tf.cast(share * shorter, tf.int32), 1)
    return tf.stack([(height - side + 1) // 2, (width - side + 1) // 2, side, side])


def _image_shape(encoded: tf.Tensor) -> tf.Tensor:
    """Return int32 [3]: height, width, channels; of a JPEG by its header alone."""
    return tf.cond(
        tf.image.is_jpeg(encoded),
        lambda: tf.image.extract_jpeg_shape(encoded),
        lambda: tf.shape(tf.image.decode_png(encoded, channels=3)),
    )


def _decode_window(encoded: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Decode the part [top, left, height, width] of an image, as uint8 [h, w, 3]."""
    return tf.cond(
        tf.image.is_jpeg(encoded),
        lambda: tf.image.decode_and_crop_jpeg(encoded, window, channels=3),
        lambda: tf.slice(tf.image.decode_png(encoded, channels=3), *_slice_arguments(window)),
    )


def _slice_arguments(window: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor]:
    begin = tf.concat([window[:2], [0]], axis=0)
    size = tf.concat([window[2:], [3]], axis=0)
    return begin, size


def _resize(image: tf.Tensor, image_size: int) -> tf.Tensor:
    """Resize bicubically, with the sample grid that the public checkpoints know."""
    resized = tf.image.resize_bicubic([image], [image_size, image_size])[0]
    resized.set_shape([image_size, image_size, 3])
    return resized
