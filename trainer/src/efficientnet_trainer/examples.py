"""Parse one TF-Slim Example: in TensorFlow's graph as it streams by, and by hand.

The graph is quick and only fails; ``find_fault`` looks at one record after the other and
says what is wrong.  So the run that met a bad record, the check before a run, ``inspect``
and ``prepare`` all give the same reasons.
"""

from typing import Any, Callable, NamedTuple, Optional, Tuple

import tensorflow.compat.v1 as tf

from efficientnet_trainer import records
from efficientnet_trainer.errors import DataError
from efficientnet_trainer.record_reader import RecordReader

IMAGE_KEY = "image/encoded"
LABEL_KEY = "image/class/label"

_NO_LABEL = -(2**63)


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


class Content(NamedTuple):
    """What the trainer uses of a record."""

    encoded: bytes
    label: int


class BadContentError(Exception):
    """A record that is sound as a frame, but not of use; the text is the reason."""


def parse_example(serialized: tf.Tensor, labels: LabelRange) -> Tuple[tf.Tensor, tf.Tensor]:
    """Return the encoded image and the class of one record.

    Args:
        serialized: string tensor [], a tf.train.Example.
        labels: which labels are in range; another fails the graph.

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
    # One op that fails outside of the range: an assertion is a handful, and takes longer.
    classes = tf.range(labels.num_classes, dtype=tf.int32)
    return parsed[IMAGE_KEY], tf.gather(classes, parsed[LABEL_KEY] - labels.offset)


def read_content(data: bytes) -> Content:
    """Parse one record by hand.

    Raises:
        BadContentError: it is no Example, or lacks a key.
    """
    try:
        feature = tf.train.Example.FromString(data).features.feature
    except Exception as error:  # protobuf has no common base for what parsing raises
        raise BadContentError(f"no tf.train.Example ({error})") from None
    wanted = (
        (LABEL_KEY, feature[LABEL_KEY].int64_list.value, "one integer"),
        (IMAGE_KEY, feature[IMAGE_KEY].bytes_list.value, "one JPEG or PNG"),
    )
    for key, values, what in wanted:
        if not any(feature[key].ListFields()) or not values:
            raise BadContentError(f"{key} is missing; write TF-Slim's keys into the records")
        if len(values) != 1:
            raise BadContentError(f"{key} has {len(values)} values; wanted {what}")
    encoded = feature[IMAGE_KEY].bytes_list.value[0]
    if not encoded:
        raise BadContentError(f"{IMAGE_KEY} is empty; write TF-Slim's keys into the records")
    return Content(encoded, feature[LABEL_KEY].int64_list.value[0])


def find_fault(
    data: bytes, labels: LabelRange, decode: Optional[Callable[[bytes], Any]] = None
) -> Optional[str]:
    """Return why a record cannot be trained on, or None.

    Args:
        data: what the record holds; its checksum is right.
        labels: which labels are in range.
        decode: raises ``BadContentError`` at an image that cannot be decoded; None to trust it.
    """
    try:
        content = read_content(data)
        if not labels.first <= content.label <= labels.last:
            return (
                f"label {content.label} is out of range; --num_label_classes is "
                f"{labels.num_classes}, so labels are {labels.first}..{labels.last}; "
                f"fix the record, raise --num_label_classes or set --label_offset"
            )
        if decode is not None:
            decode(content.encoded)
    except BadContentError as error:
        return str(error)
    return None


def check_record(
    path: str,
    frame: records.Frame,
    labels: LabelRange,
    decode: Optional[Callable[[bytes], Any]] = None,
) -> None:
    """Check one record of a file.

    Raises:
        DataError: its data are damaged, or ``find_fault`` finds something.
    """
    with RecordReader(path) as reader:
        data = reader.read(frame)
    fault = find_fault(data, labels, decode)
    if fault is not None:
        raise DataError(f"{records.place_of(path, frame)}: {fault}")
