"""Pixels of what TensorBoard shows."""

import io

import numpy as np
import pytest
from efficientnet_trainer import pictures
from PIL import Image

GRIDS = {
    "one image": (1, (1, 1)),
    "a row that is not full": (3, (1, 3)),
    "a full row": (4, (1, 4)),
    "a second row": (5, (2, 4)),
    "two rows": (8, (2, 4)),
}


@pytest.mark.parametrize("count, grid", GRIDS.values(), ids=GRIDS)
def test_a_sheet_has_each_image_in_its_place(count, grid):
    images = np.uint8([np.full((2, 3, 3), 10 + n) for n in range(count)])
    sheet = pictures.arrange_sheet(images)
    assert sheet.shape == (grid[0] * 2, grid[1] * 3, 3)
    corners = sheet[::2, ::3, 0].ravel().tolist()
    assert corners == [10 + n for n in range(count)] + [0] * (grid[0] * grid[1] - count)
    assert int(sheet.astype(int).sum()) == int(images.astype(int).sum())


def test_confusion_counts_rows_by_truth():
    counts = pictures.count_confusion([0, 0, 1, 2, -1], [0, 1, 1, 0, 2], 3)
    assert counts.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_a_drawn_matrix_is_dark_where_images_are():
    drawn = pictures.draw_confusion(np.array([[8, 2, 0], [0, 5, 0], [0, 0, 0]]))
    side = len(drawn) // 3
    assert drawn.shape == (402, 402, 3)
    cells = drawn[side // 2 :: side, side // 2 :: side].astype(int).sum(axis=2)
    white, all_of_a_row = 3 * 255, 8 + 48 + 107
    assert cells[1, 1] == all_of_a_row
    assert all_of_a_row < cells[0, 0] < cells[0, 1] < white
    # A class without images has no shares to draw.
    assert set(cells[2]) == {white}


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 5, 3), (300, 400, 3)])
def test_a_png_holds_the_very_pixels(shape):
    pixels = np.random.RandomState(0).randint(0, 256, shape).astype(np.uint8)
    with Image.open(io.BytesIO(pictures.encode_png(pixels))) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        np.testing.assert_array_equal(np.asarray(image), pixels)
