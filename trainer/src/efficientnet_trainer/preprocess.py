"""Turn an encoded image into the pixels that the network is fed.

Training sees a random crop, mirrored by chance; evaluation the centre.  A crop of a JPEG
is decoded alone (a fifth faster than the whole), so decoding and cropping are one step.
Pixels stay about 0 .. 255: bicubic resizing overshoots a little at edges, and the public
checkpoints were trained and evaluated with that.

All that is random about an image comes from its own seed, so it is the same whichever
thread prepares it, and a run can be repeated.
"""

from typing import Callable, List, Optional, Tuple

import tensorflow.compat.v1 as tf

from efficientnet_trainer.autoaugment import Policy

CROP_PADDING = 32
"""Evaluation keeps size / (size + 32) of the shorter side, 87.5 % at 224 pixels."""
ASPECT_RATIOS = (3.0 / 4, 4.0 / 3)
MIN_AREA = 0.1
"""Share of the image that a random crop has at least.  The published 0.08 never comes about:
a crop must also cover a tenth of the object, and for want of boxes that is the image."""


def preprocess_image(
    encoded: tf.Tensor,
    image_size: int,
    is_training: bool,
    crop_and_flip: bool,
    seed: Optional[tf.Tensor] = None,
    policy: Optional[Policy] = None,
) -> tf.Tensor:
    """Decode, crop, resize and perhaps mirror and distort one image.

    Args:
        encoded: string tensor [], JPEG or PNG.
        image_size: side of the result, pixels.
        is_training: a random crop, flip and distortion; else the centre.
        crop_and_flip: False only resizes the whole image, in either mode.
        seed: int64 [2], of the image's random numbers; needed in training alone.
        policy: how training images are distorted, or None for not at all.

    Returns:
        float32 [image_size, image_size, 3], about 0 .. 255.

    Source: Szegedy et al. 2014, section 6, for the distorted crop.
    """
    if not crop_and_flip:
        image = _resize(tf.image.decode_jpeg(encoded, channels=3), image_size)
    elif is_training:
        image = _crop_and_flip_at_random(encoded, image_size, seed)
    else:
        centre = _decode_part(encoded, lambda shape: _centre_window(shape, image_size))
        image = _resize(centre, image_size)
    if policy is None or not is_training:
        return image
    # Another key than that of the crop, whose numbers it must not share.
    draws = tf.random.stateless_uniform([policy.num_draws], tf.add(seed, 1))
    return policy.distort(tf.clip_by_value(image, 0.0, 255.0), draws)


def _crop_and_flip_at_random(
    encoded: tf.Tensor, image_size: int, seed: Optional[tf.Tensor]
) -> tf.Tensor:
    draws = tf.unstack(tf.random.stateless_uniform([5], seed))
    crop = _decode_part(encoded, lambda shape: draw_window(shape, image_size, draws[:4]))
    image = _resize(crop, image_size)
    return tf.cond(draws[4] < 0.5, lambda: tf.reverse(image, [1]), lambda: image)


def draw_window(shape: tf.Tensor, image_size: int, draws: List[tf.Tensor]) -> tf.Tensor:
    """Choose the window [top, left, height, width] of a random crop.

    Aspect ratio and height are spread evenly over what fits.  Where the drawn aspect ratio
    leaves nothing that fits, as in strips, it is the centre.

    Args:
        shape: int32 [3], the image's.
        image_size: side of the result, which the centre depends on.
        draws: four random numbers, float32 [] from 0 to below 1.
    """
    height, width = tf.unstack(tf.cast(shape[:2], tf.float32))
    for_aspect, for_height, for_top, for_left = draws
    low, high = ASPECT_RATIOS
    aspect = low + (high - low) * for_aspect
    shortest = tf.round(tf.sqrt(MIN_AREA * height * width / aspect))
    tallest = tf.minimum(height, tf.floor(width / aspect))
    crop_height = shortest + tf.floor(for_height * (tallest - shortest + 1.0))
    crop_width = tf.floor(crop_height * aspect)
    top = tf.floor(for_top * (height - crop_height + 1.0))
    left = tf.floor(for_left * (width - crop_width + 1.0))
    drawn = tf.cast(tf.stack([top, left, crop_height, crop_width]), tf.int32)
    fits = tf.logical_and(shortest <= tallest, crop_width >= 1.0)
    return tf.where_v2(fits, drawn, _centre_window(shape, image_size))


def _centre_window(shape: tf.Tensor, image_size: int) -> tf.Tensor:
    """Return [top, left, height, width] of the square in the centre."""
    height, width = shape[0], shape[1]
    share = image_size / (image_size + CROP_PADDING)
    shorter = tf.cast(tf.minimum(height, width), tf.float32)
    # One pixel at least: a crop of nothing cannot be decoded.
    side = tf.maximum(tf.cast(share * shorter, tf.int32), 1)
    return tf.stack([(height - side + 1) // 2, (width - side + 1) // 2, side, side])


def _decode_part(encoded: tf.Tensor, choose: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """Decode a part of an image, as uint8 [h, w, 3].

    Args:
        encoded: string tensor [], JPEG or PNG.
        choose: takes the image's shape, int32 [3], which a JPEG's header tells; returns the
            window [top, left, height, width].
    """

    def of_jpeg() -> tf.Tensor:
        window = choose(tf.image.extract_jpeg_shape(encoded))
        return tf.image.decode_and_crop_jpeg(encoded, window, channels=3)

    def of_png() -> tf.Tensor:
        image = tf.image.decode_png(encoded, channels=3)
        return tf.slice(image, *_slice_arguments(choose(tf.shape(image))))

    return tf.cond(tf.image.is_jpeg(encoded), of_jpeg, of_png)


def _slice_arguments(window: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor]:
    begin = tf.concat([window[:2], [0]], axis=0)
    size = tf.concat([window[2:], [3]], axis=0)
    return begin, size


def _resize(image: tf.Tensor, image_size: int) -> tf.Tensor:
    """Resize bicubically, with the sample grid that the public checkpoints know."""
    resized = tf.image.resize_bicubic([image], [image_size, image_size])[0]
    resized.set_shape([image_size, image_size, 3])
    return resized
