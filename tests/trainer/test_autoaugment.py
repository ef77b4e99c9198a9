"""Which distortions a policy picks, and how strong they are."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer import image_ops
from efficientnet_trainer.autoaugment import autoaugment_v0, build_policy, randaugment
from PIL import Image, ImageEnhance, ImageOps

SIZE = 24
PIXELS = np.random.RandomState(5).randint(20, 240, (SIZE, SIZE, 3)).astype(np.uint8)
YES, NO = 0.0, 0.999


def distort(policy, draws):
    """Distort the image once for each row of random numbers, as the input pipeline does."""

    @tf.autograph.experimental.do_not_convert
    def prepare(row):
        return policy.distort(tf.constant(PIXELS, tf.float32), row)

    dataset = tf.data.Dataset.from_tensor_slices(np.float32(draws)).map(prepare)
    images = tf.data.make_one_shot_iterator(dataset.batch(len(draws))).get_next()
    assert images.shape.as_list()[1:] == [SIZE, SIZE, 3]
    with tf.Session() as session:
        return session.run(images)


def compute(function, *arguments):
    image = tf.constant(PIXELS, tf.float32)
    image = function(image, *[tf.constant(float(each)) for each in arguments])
    with tf.Session() as session:
        return session.run(image)


def draws_of_row(row, first, second):
    """Return random numbers that pick a row of v0 and tell whether its distortions come about."""
    return [(row + 0.5) / 25, first, second, 0.2, 0.2, 0.2, 0.2]


V0 = {
    # row, whether the first comes about, whether the second does, what Pillow makes of it
    "neither": (0, NO, NO, lambda image: image),
    "one that always comes about": (8, NO, NO, ImageOps.equalize),
    "one that never does": (19, NO, YES, lambda image: image),
    "faded": (2, YES, NO, lambda image: ImageEnhance.Color(image).enhance(0.28)),
    "faded, then equalized": (
        8,
        YES,
        NO,
        lambda image: ImageOps.equalize(ImageEnhance.Color(image).enhance(0.28)),
    ),
    "bits of level 6": (12, YES, NO, lambda image: ImageOps.posterize(image, 2)),
    "at least one bit": (22, YES, NO, lambda image: ImageOps.posterize(image, 1)),
    "solarized from level 8 on": (13, YES, NO, lambda image: ImageOps.solarize(image, 204)),
    "level 10 solarizes nothing": (22, NO, YES, lambda image: image),
    "twice": (
        4,
        YES,
        YES,
        lambda image: ImageOps.solarize(ImageOps.solarize(image, 51), 51),
    ),
    "inverted": (9, YES, NO, ImageOps.invert),
    "turned": (2, NO, YES, lambda image: image.rotate(24, fillcolor=(128, 128, 128))),
    "the last row": (24, NO, YES, lambda image: image.rotate(15, fillcolor=(128, 128, 128))),
}


def test_v0_does_what_its_rows_say():
    draws = [draws_of_row(row, first, second) for row, first, second, _ in V0.values()]
    images = distort(autoaugment_v0(SIZE), draws)
    for got, (name, (_, _, _, pillows)) in zip(images, V0.items()):
        off = np.abs(got.astype(int) - np.array(pillows(Image.fromarray(PIXELS))))
        # A shade off for the greys of Color; all off in the few pixels between two.
        assert np.mean(off > 4) < 0.01, name


def test_every_row_of_v0_is_picked():
    images = distort(autoaugment_v0(SIZE), [draws_of_row(row, YES, YES) for row in range(25)])
    # The contrast of an equalized image cannot be stretched, so two rows do the same to it.
    assert len({image.tobytes() for image in images}) == 24


RANDAUGMENT = {
    # of level 8, distances of an image of 24 pixels; in the order in which they are drawn
    "AutoContrast": (image_ops.autocontrast, []),
    "Equalize": (image_ops.equalize, []),
    "Invert": (image_ops.invert, []),
    "Rotate": (image_ops.rotate, [24]),
    "Posterize": (image_ops.posterize, [3]),
    "Solarize": (image_ops.solarize, [204]),
    "Color": (image_ops.color, [1.54]),
    "Contrast": (image_ops.contrast, [1.54]),
    "Brightness": (image_ops.brightness, [1.54]),
    "Sharpness": (image_ops.sharpness, [1.54]),
    "ShearX": (image_ops.shear_x, [0.24]),
    "ShearY": (image_ops.shear_y, [0.24]),
    "TranslateX": (image_ops.translate_x, [80 * 24 / 224]),
    "TranslateY": (image_ops.translate_y, [80 * 24 / 224]),
    "Cutout": (image_ops.cutout, [32 * 24 / 224, 0.3, 0.2]),
    "SolarizeAdd": (image_ops.solarize_add, [88]),
}


def test_randaugment_draws_from_all_distortions():
    draws = [[(kind + 0.5) / 16, 0.3, 0.2] for kind in range(16)]
    images = distort(randaugment(SIZE, 1, 8), draws)
    for got, (name, (function, arguments)) in zip(images, RANDAUGMENT.items()):
        np.testing.assert_array_equal(got, compute(function, *arguments), name)


def test_a_distortion_goes_both_ways():
    images = distort(randaugment(SIZE, 1, 8), [[3.5 / 16, way, 0.2] for way in (0.4, 0.6)])
    np.testing.assert_array_equal(images[0], compute(image_ops.rotate, 24))
    np.testing.assert_array_equal(images[1], compute(image_ops.rotate, -24))


def test_layers_follow_each_other():
    # Inverted twice, then posterized.
    draws = [[2.5 / 16, 2.5 / 16, 4.5 / 16] + [0.2] * 6]
    (image,) = distort(randaugment(SIZE, 3, 10), draws)
    np.testing.assert_array_equal(image, compute(image_ops.posterize, 4))


POLICIES = {
    "none": ({}, None),
    "v0": ({"autoaugment_name": "v0"}, 7),
    "two layers unless asked for": ({"autoaugment_name": "randaugment"}, 6),
    "asked for": ({"autoaugment_name": "randaugment", "randaug_num_layers": 3}, 9),
}


@pytest.mark.parametrize("flags, num_draws", POLICIES.values(), ids=POLICIES)
def test_the_flags_choose_the_policy(flags, num_draws, make_config):
    policy = build_policy(make_config(**flags))
    assert (policy and policy.num_draws) == num_draws
