"""Draw what TensorBoard shows beside curves: sample images and the confusion matrix.

Arrays in, PNGs out; ``hooks`` decides when.
"""

import struct
import zlib
from typing import Any, Iterable, Mapping

import numpy as np
import tensorflow.compat.v1 as tf

SHEET_COLUMNS = 4
MATRIX_PIXELS = 400
"""Least side of a drawn confusion matrix."""
MAX_CLASSES = 100
"""A matrix of more classes would be a grey field, and of a thousand 8 MB."""

_NONE = np.array([255.0, 255.0, 255.0])
_ALL = np.array([8.0, 48.0, 107.0])


def arrange_sheet(images: np.ndarray) -> np.ndarray:
    """Put images, uint8 [n, h, w, 3], side by side in rows of four, the last filled up black."""
    count, height, width, channels = images.shape
    columns = min(SHEET_COLUMNS, count)
    rows = -(-count // columns)
    cells = np.zeros((rows * columns, height, width, channels), np.uint8)
    cells[:count] = images
    grid = cells.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    return grid.reshape(rows * height, columns * width, channels)


def count_confusion(
    labels: Iterable[int], predicted: Iterable[int], num_classes: int
) -> np.ndarray:
    """Count, int64 [classes, classes]: row is the true class, column the predicted one.

    A label below 0 marks what is no image and counts for nothing.
    """
    truth, answers = np.asarray(labels), np.asarray(predicted)
    counts = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(counts, (truth[truth >= 0], answers[truth >= 0]), 1)
    return counts


def draw_confusion(counts: np.ndarray) -> np.ndarray:
    """Draw a matrix, uint8 [side, side, 3]: the darker a cell, the more of its row's images.

    Args:
        counts: int64 [classes, classes] as of ``count_confusion``.
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # The root, so that the few that are mistaken can be seen beside the many that are right.
    weight = np.sqrt(shares)[:, :, np.newaxis]
    cells = _NONE + weight * (_ALL - _NONE)
    scale = -(-MATRIX_PIXELS // len(counts))
    return np.uint8(np.rint(cells)).repeat(scale, axis=0).repeat(scale, axis=1)


def encode_png(pixels: np.ndarray) -> bytes:
    """Return pixels, uint8 [h, w, 3], as a PNG.

    TensorFlow's own op needs a session, and on an NPU a second session has a price that is not
    known; Ascend's images have no other library for it.

    Source: ISO/IEC 15948 (PNG), 8 bits a sample, truecolour, no filter.
    """
    height, width, _ = pixels.shape
    lines = np.zeros((height, 1 + 3 * width), np.uint8)
    lines[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(kind, data) for kind, data in parts)


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def image_summary(tag: str, pixels: np.ndarray) -> tf.Summary:
    """Return pixels, uint8 [h, w, 3], as TensorBoard takes them."""
    image = tf.Summary.Image(
        height=pixels.shape[0],
        width=pixels.shape[1],
        colorspace=pixels.shape[2],
        encoded_image_string=encode_png(pixels),
    )
    return tf.Summary(value=[tf.Summary.Value(tag=tag, image=image)])


def scalar_summary(figures: Mapping[str, Any]) -> tf.Summary:
    """Return figures by tag as TensorBoard takes them; what is unknown is left out."""
    return tf.Summary(
        value=[
            tf.Summary.Value(tag=tag, simple_value=value)
            for tag, value in figures.items()
            if value is not None
        ]
    )
