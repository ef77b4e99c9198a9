import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.preprocess import preprocess_image

SIZE = 16


def run(encoded, is_training=False, crop_and_flip=True, times=1):
    image = preprocess_image(tf.constant(encoded), SIZE, is_training, crop_and_flip)
    assert (image.dtype, image.shape.as_list()) == (tf.float32, [SIZE, SIZE, 3])
    with tf.Session() as session:
        results = [session.run(image) for _ in range(times)]
    return results if times > 1 else results[0]


def gradient(height, width):
    """Pixels whose red grows to the right and whose green grows downwards."""
    rows, columns = np.mgrid[0:height, 0:width]
    red, green = columns * 255 // (width - 1), rows * 255 // (height - 1)
    return np.stack([red, green, np.full_like(red, 90)], axis=-1)


@pytest.fixture(params=["png", "jpeg"])
def encode(request, encode_image):
    """Encode pixels in each format in turn."""
    return lambda pixels: encode_image(pixels, request.param)


def test_evaluation_sees_the_centre(encode):
    got = run(encode(gradient(96, 192)))
    # A square of 16 / (16 + 32) of 96 pixels: columns 80 to 112, rows 32 to 64.
    assert got[8, 0, 0] == pytest.approx(80 * 255 / 191, abs=5)
    assert got[8, -1, 0] == pytest.approx(110 * 255 / 191, abs=5)
    assert got[0, 8, 1] == pytest.approx(32 * 255 / 95, abs=5)
    assert got[-1, 8, 1] == pytest.approx(62 * 255 / 95, abs=6)


@pytest.mark.parametrize("is_training", [True, False])
def test_without_crops_the_whole_image_is_resized(is_training, encode):
    got = run(encode(gradient(64, 64)), is_training, crop_and_flip=False)
    assert got[8, 0, 0] < 10
    assert got[8, -1, 0] > 235
    assert got[-1, 8, 1] > 235


def test_training_crops_and_flips_at_random(encode):
    images = run(encode(gradient(64, 64)), is_training=True, times=20)
    mirrored = [image[8, 0, 0] > image[8, -1, 0] for image in images]
    assert 0 < sum(mirrored) < 20
    assert len({round(float(image[8, 8, 1]), 2) for image in images}) > 10


def test_an_image_that_no_crop_fits_gives_its_centre(encode_image):
    # Two rows hold no crop of a hundredth of them at an aspect ratio between 3/4 and 4/3.
    strip = np.zeros((2, 300, 3))
    strip[:, 149:151] = 255
    images = run(encode_image(strip), is_training=True, times=10)
    # The centre is one pixel of the bright middle; the whole strip would be nearly all dark.
    np.testing.assert_allclose(images, np.full((10, SIZE, SIZE, 3), 255), atol=1)


SHAPES = {
    "grey": np.full((20, 20), 77),
    "one pixel": np.full((1, 1, 3), 77),
    "a line": np.full((1, 60, 3), 77),
    "smaller than the result": np.full((5, 7, 3), 77),
}


@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize("pixels", SHAPES.values(), ids=SHAPES)
def test_odd_images_become_whole_ones(pixels, is_training, encode):
    got = run(encode(pixels), is_training)
    np.testing.assert_allclose(got, np.full((SIZE, SIZE, 3), 77), atol=2)
