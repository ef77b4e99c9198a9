"""Parse one TF-Slim Example, and say which record is at fault when one is.

A record's label can only be checked as it streams by, inside TensorFlow's graph, whose
errors are strings: an assertion carries file, record and label out of the graph, and
``explain_error`` makes a ``DataError`` of it.  The first record of each file is checked
before anything starts: a wrong label range is mostly wrong everywhere, and at bytes that
are no Example the session of TensorFlow 1.15 segfaults, as its error quotes them and they
are no UTF-8.
"""

import os
import re
from typing import NamedTuple, Optional, Sequence, Tuple

import tensorflow.compat.v1 as tf

from efficientnet_trainer import records
from efficientnet_trainer.errors import DataError

IMAGE_KEY = "image/encoded"
LABEL_KEY = "image/class/label"

_NO_LABEL = -1
_BAD_LABEL = "label-out-of-range"
_NO_IMAGE = "no-image"
_ASSERTION = re.compile(r"assertion failed: \[([\w-]+)\] \[(.*?)\] \[(\d+)\] \[(-?\d+)\]")
_CORRUPT = re.compile(r"corrupted record at (\d+)")
_UNREADABLE = (
    "Invalid JPEG",
    "Unable to decode bytes",
    "Expected image (JPEG, PNG, or GIF)",
    "Invalid PNG",
    "Could not parse example",
    "Can't parse serialized Example",
    "Data types don't match",
    "image size must contain",
)


class LabelRange(NamedTuple):
    """Which labels a record may carry."""

    num_classes: int
    offset: int
    """A record's label minus this is its class."""

    @property
    def first(self) -> int:
        """The lowest label."""
        return self.offset

    @property
    def last(self) -> int:
        """The highest label."""
        return self.offset + self.num_classes - 1


def parse_example(
    serialized: tf.Tensor, path: tf.Tensor, index: tf.Tensor, labels: LabelRange
) -> Tuple[tf.Tensor, tf.Tensor]:
    """Return the encoded image and the class of one record.

    Args:
        serialized: string tensor [], a tf.train.Example.
        path: string tensor [], the file it is from.
        index: int64 tensor [], its place there, from 0.
        labels: which labels are in range; running into another fails the graph.

    Returns:
        string tensor [], JPEG or PNG; int32 tensor [], 0 .. num_classes - 1.
    """
    parsed = tf.io.parse_single_example(
        serialized,
        {
            IMAGE_KEY: tf.io.FixedLenFeature([], tf.string, ""),
            LABEL_KEY: tf.io.FixedLenFeature([], tf.int64, _NO_LABEL),
        },
    )
    encoded, label = parsed[IMAGE_KEY], parsed[LABEL_KEY]
    in_range = tf.logical_and(label >= labels.first, label <= labels.last)
    checks = [
        tf.Assert(in_range, [_BAD_LABEL, path, index, label]),
        tf.Assert(tf.strings.length(encoded) > 0, [_NO_IMAGE, path, index, label]),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(encoded), tf.cast(label - labels.offset, tf.int32)


def check_first_record(path: str, labels: LabelRange) -> None:
    """Check the first record of a file whose frames are known to be sound.

    Raises:
        DataError: it is no Example, has no image, or its label is out of range.
    """
    frame = next(records.walk_frames(path))
    where = _where(path, frame.number)
    try:
        example = tf.train.Example.FromString(records.read_record(path, frame))
    except Exception as error:  # protobuf has no common base for what parsing raises
        raise DataError(f"{where}: no tf.train.Example ({error})") from None
    feature = example.features.feature
    values = list(feature[LABEL_KEY].int64_list.value)
    label = values[0] if len(values) == 1 else _NO_LABEL
    if not labels.first <= label <= labels.last:
        raise _label_error(path, frame.number, label, labels)
    if not any(feature[IMAGE_KEY].bytes_list.value):
        raise _image_error(path, frame.number)


def explain_error(
    error: Exception, paths: Sequence[str], labels: LabelRange
) -> Optional[DataError]:
    """Say what an exception out of the input pipeline means.

    Args:
        error: what a session or an estimator raised.
        paths: the files that may have been read.
        labels: which labels were in range.

    Returns:
        The error that names the record, or None if the data are not at fault.
    """
    text = str(error)
    match = _ASSERTION.search(text)
    if match:
        kind, path, index, label = match.groups()
        if kind == _BAD_LABEL:
            return _label_error(path, int(index), int(label), labels)
        if kind == _NO_IMAGE:
            return _image_error(path, int(index))
        return None
    if isinstance(error, tf.errors.DataLossError):
        corrupt = _CORRUPT.search(text)
        found = records.find_corrupt_data(paths, int(corrupt.group(1))) if corrupt else None
        return found or DataError(f"a record cannot be read: {_first_line(text)}")
    if isinstance(error, tf.errors.InvalidArgumentError) and any(
        sign in text for sign in _UNREADABLE
    ):
        return DataError(f"a record holds no readable Example, JPEG or PNG: {_first_line(text)}")
    return None


def _label_error(path: str, index: int, label: int, labels: LabelRange) -> DataError:
    if label == _NO_LABEL:
        return DataError(
            f"{_where(path, index)}: {LABEL_KEY} is missing; write TF-Slim's keys into the records"
        )
    return DataError(
        f"{_where(path, index)}: label {label} is out of range; --num_label_classes is "
        f"{labels.num_classes}, so labels are {labels.first}..{labels.last}; "
        f"fix the record, raise --num_label_classes or set --label_offset"
    )


def _image_error(path: str, index: int) -> DataError:
    return DataError(
        f"{_where(path, index)}: {IMAGE_KEY} is missing or empty; "
        f"write TF-Slim's keys into the records"
    )


def _where(path: str, index: int) -> str:
    return f"{os.path.basename(path)}: record {index}"


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0][:300]
