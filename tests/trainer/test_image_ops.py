"""Each distortion does to pixels what Pillow, or for want of it numpy, does."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer import image_ops
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

HEIGHT, WIDTH = 38, 53


def photo():
    """Soft shapes with some noise, darker than they could be: something for every distortion."""
    random = np.random.RandomState(7)
    coarse = Image.fromarray(random.randint(20, 200, (5, 7, 3)).astype(np.uint8))
    soft = np.array(coarse.resize((WIDTH, HEIGHT), Image.BICUBIC)).astype(int)
    return np.clip(soft + random.randint(-6, 7, soft.shape), 0, 255).astype(np.uint8)


IMAGES = {
    "a photo": photo(),
    "noise": np.random.RandomState(1).randint(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8),
    "one colour": np.full((HEIGHT, WIDTH, 3), (9, 200, 255), np.uint8),
    "two values": np.where(np.arange(WIDTH)[None, :, None] < 9, [[[0, 3, 90]]], [[[255, 4, 91]]])
    .astype(np.uint8)
    .repeat(HEIGHT, axis=0),
}


def run(function, pixels, *arguments):
    """Return the pixels as bytes, which Pillow cuts off and does not round."""
    image = tf.constant(pixels, tf.float32)
    image = function(image, *[tf.constant(float(each)) for each in arguments])
    with tf.Session() as session:
        got = session.run(image)
    assert got.dtype == np.float32
    assert got.min() >= 0
    assert got.max() <= 255
    return np.floor(got).astype(int)


def enhance(kind):
    return lambda image, factor: getattr(ImageEnhance, kind)(image).enhance(factor)


def move(matrix):
    """Return Pillow's affine map, which fetches from the place that the matrix gives."""

    def transform(image, amount):
        grey = (int(image_ops.FILL),) * 3
        values = [amount if value is None else value for value in matrix]
        return image.transform(image.size, Image.AFFINE, values, fillcolor=grey)

    return transform


def add_to_dark(image, addition):
    values = np.array(image).astype(int)
    return np.where(values < 128, np.clip(values + addition, 0, 255), values)


POINTWISE = {
    # ours, Pillow's, argument, how far a value may be off
    "invert": (image_ops.invert, ImageOps.invert, [], 0),
    "posterize to one bit": (image_ops.posterize, ImageOps.posterize, [1], 0),
    "posterize to four bits": (image_ops.posterize, ImageOps.posterize, [4], 0),
    "posterize to all bits": (image_ops.posterize, ImageOps.posterize, [8], 0),
    "solarize everything": (image_ops.solarize, ImageOps.solarize, [0], 0),
    "solarize": (image_ops.solarize, ImageOps.solarize, [110], 0),
    "solarize nothing": (image_ops.solarize, ImageOps.solarize, [256], 0),
    "solarize add": (image_ops.solarize_add, add_to_dark, [77], 0),
    "equalize": (image_ops.equalize, ImageOps.equalize, [], 0),
    # Pillow's table is made in float64.
    "autocontrast": (image_ops.autocontrast, ImageOps.autocontrast, [], 1),
    "black": (image_ops.brightness, enhance("Brightness"), [0], 0),
    "darker": (image_ops.brightness, enhance("Brightness"), [0.37], 0),
    "brighter": (image_ops.brightness, enhance("Brightness"), [1.9], 0),
    # Pillow adds up the shares of red, green and blue in whole numbers.
    "grey": (image_ops.color, enhance("Color"), [0], 1),
    "less colour": (image_ops.color, enhance("Color"), [0.28], 1),
    "more colour": (image_ops.color, enhance("Color"), [1.9], 1),
    "no contrast": (image_ops.contrast, enhance("Contrast"), [0], 1),
    "less contrast": (image_ops.contrast, enhance("Contrast"), [0.46], 1),
    "more contrast": (image_ops.contrast, enhance("Contrast"), [1.9], 1),
    "smooth": (image_ops.sharpness, enhance("Sharpness"), [0], 1),
    "softer": (image_ops.sharpness, enhance("Sharpness"), [0.46], 1),
    "sharper": (image_ops.sharpness, enhance("Sharpness"), [1.9], 1),
}


@pytest.mark.parametrize("pixels", IMAGES.values(), ids=IMAGES)
@pytest.mark.parametrize("ours, pillows, arguments, off", POINTWISE.values(), ids=POINTWISE)
def test_values_are_those_of_pillow(ours, pillows, arguments, off, pixels):
    want = np.array(pillows(Image.fromarray(pixels), *arguments)).astype(int)
    got = run(ours, pixels, *arguments)
    assert np.abs(got - want).max() <= off


MOVED = {
    "rotate": (image_ops.rotate, None, 24.0),
    "rotate the other way": (image_ops.rotate, None, -30.0),
    "rotate by nothing": (image_ops.rotate, None, 0.0),
    "shear along x": (image_ops.shear_x, (1, None, 0, 0, 1, 0), 0.3),
    "shear along y": (image_ops.shear_y, (1, 0, 0, None, 1, 0), -0.21),
    "to the left": (image_ops.translate_x, (1, 0, None, 0, 1, 0), 11.0),
    "to the right": (image_ops.translate_x, (1, 0, None, 0, 1, 0), -11.0),
    "upwards": (image_ops.translate_y, (1, 0, 0, 0, 1, None), 5.0),
    "out of sight": (image_ops.translate_y, (1, 0, 0, 0, 1, None), 400.0),
}


@pytest.mark.parametrize("ours, matrix, amount", MOVED.values(), ids=MOVED)
def test_pixels_go_where_pillow_puts_them(ours, matrix, amount):
    image = Image.fromarray(photo())
    if matrix is None:
        want = image.rotate(amount, fillcolor=(int(image_ops.FILL),) * 3)
    else:
        want = move(matrix)(image, amount)
    got = run(ours, photo(), amount)
    # Pillow counts in 65,536ths of a pixel: a place on the edge of two may fall either way.
    differing = np.any(got != np.array(want), axis=-1)
    assert differing.mean() <= 0.002


CUT = {
    # x, y, reach, covered rows, covered columns
    "inside": (0.5, 0.5, 4, slice(15, 23), slice(22, 30)),
    "over a corner": (0.0, 0.999, 6, slice(31, 38), slice(0, 6)),
    "nothing": (0.5, 0.5, 0, slice(0, 0), slice(0, 0)),
    "everything": (0.5, 0.5, 60, slice(None), slice(None)),
}


@pytest.mark.parametrize("x, y, reach, rows, columns", CUT.values(), ids=CUT)
def test_cutout_covers_a_square(x, y, reach, rows, columns):
    want = photo()
    want[rows, columns] = image_ops.FILL
    np.testing.assert_array_equal(run(image_ops.cutout, photo(), reach, x, y), want)


def test_the_smoothing_is_pillows():
    """What "smooth" above compares with is not the image as it was."""
    image = Image.fromarray(photo())
    assert np.abs(np.array(image.filter(ImageFilter.SMOOTH)) - np.array(image)).max() > 3
