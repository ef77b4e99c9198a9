import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.autoaugment import randaugment
from efficientnet_trainer.preprocess import draw_window, preprocess_image

SIZE = 16


def run(encoded, is_training=False, crop_and_flip=True, times=1, policy=None):
    """Return one image, or several of the seeds (0, 1), (1, 1), ..."""
    seed = tf.placeholder(tf.int64, [2])
    image = preprocess_image(tf.constant(encoded), SIZE, is_training, crop_and_flip, seed, policy)
    assert (image.dtype, image.shape.as_list()) == (tf.float32, [SIZE, SIZE, 3])
    with tf.Session() as session:
        results = [session.run(image, {seed: [number, 1]}) for number in range(times)]
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


def test_a_seed_gives_the_same_image_again(encode_image):
    encoded = encode_image(gradient(40, 60))
    first, again = (run(encoded, True, times=8, policy=randaugment(SIZE, 2, 9)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert len({image.tobytes() for image in first}) == 8


def test_distorted_pixels_stay_in_their_range(encode_image):
    # Sharp edges: bicubic resizing overshoots 0 .. 255 here.
    edges = np.kron(np.random.RandomState(0).randint(0, 2, (9, 9, 1)) * 255, np.ones((3, 3, 3)))
    plain = np.array(run(encode_image(edges), True, times=10))
    assert plain.max() > 256
    distorted = np.array(run(encode_image(edges), True, times=10, policy=randaugment(SIZE, 1, 9)))
    assert distorted.min() >= 0
    assert distorted.max() <= 255


SHAPES_OF_PHOTOS = {"landscape": (375, 500), "portrait": (500, 375), "panorama": (200, 700)}


@pytest.mark.parametrize("height, width", SHAPES_OF_PHOTOS.values(), ids=SHAPES_OF_PHOTOS)
def test_crops_are_spread_like_those_of_tensorflows_op(height, width):
    shape = tf.constant([height, width, 3])
    count = 2000

    @tf.autograph.experimental.do_not_convert
    def published(_):
        begin, size, _ = tf.image.sample_distorted_bounding_box(
            shape,
            tf.constant([0.0, 0.0, 1.0, 1.0], shape=[1, 1, 4]),
            min_object_covered=0.1,
            aspect_ratio_range=(3 / 4, 4 / 3),
            area_range=(0.08, 1.0),
            max_attempts=10,
            seed=3,
        )
        return tf.concat([begin[:2], size[:2]], axis=0)

    @tf.autograph.experimental.do_not_convert
    def own(seeds):
        return draw_window(shape, SIZE, tf.unstack(tf.random.stateless_uniform([4], seeds)))

    seeds = tf.data.experimental.RandomDataset(1).batch(2)
    batches = [
        tf.data.make_one_shot_iterator(seeds.map(function).batch(count)).get_next()
        for function in (own, published)
    ]
    with tf.Session() as session:
        windows, wanted = session.run(batches)
    top, left, tall, wide = windows.T
    assert np.all((top >= 0) & (left >= 0) & (top + tall <= height) & (left + wide <= width))
    area = (tall * wide, wanted[:, 2] * wanted[:, 3], height * width)
    aspect = (wide / tall, wanted[:, 3] / wanted[:, 2], 1.0)
    middle_y = (top + tall / 2, wanted[:, 0] + wanted[:, 2] / 2, height)
    middle_x = (left + wide / 2, wanted[:, 1] + wanted[:, 3] / 2, width)
    for got, want, unit in (area, aspect, middle_y, middle_x):
        for quantile in (0.05, 0.25, 0.5, 0.75, 0.95):
            expected = np.quantile(want, quantile) / unit
            assert np.quantile(got, quantile) / unit == pytest.approx(expected, abs=0.03)


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
