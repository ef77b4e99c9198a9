"""Say which record ended a run, from what TensorFlow raised.

The graph knows a bad record's file and number only.  Here the record is read once more, and
what ``examples`` finds in it is the reason.
"""

import os
import re
from typing import Optional

import tensorflow.compat.v1 as tf

from efficientnet_trainer import records
from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.decoding import ImageDecoder
from efficientnet_trainer.errors import DataError, TrainerError
from efficientnet_trainer.examples import check_record
from efficientnet_trainer.guard import BAD_RECORD
from efficientnet_trainer.labels import choose_labels
from efficientnet_trainer.termination import TransientError

_ASSERTION = re.compile(r"assertion failed: \[" + BAD_RECORD + r"\] \[(.*?)\] \[(\d+)\] \[(\d+)\]")

_UNREADABLE = (
    "Invalid JPEG",
    "Unable to decode bytes",
    "Expected image (JPEG, PNG, or GIF)",
    "Invalid PNG",
    "Could not parse example",
    "Can't parse serialized Example",
)
"""What TensorFlow says where such a record reaches it past the guard."""


def explain_bad_record(error: Exception, config: TrainerConfig) -> Optional[TrainerError]:
    """Return the error that names the record, or None if the data are not at fault.

    Args:
        error: what a session or an estimator raised.
        config: of the run that raised it.
    """
    text = str(error)
    match = _ASSERTION.search(text)
    if match is None or not isinstance(error, tf.errors.OpError):
        unreadable = any(sign in text for sign in _UNREADABLE)
        if unreadable and isinstance(error, tf.errors.InvalidArgumentError):
            reason = text.partition("\n")[0]
            return DataError(f"a record holds no readable Example, JPEG or PNG: {reason}")
        return None
    path, number, lost = match.group(1), int(match.group(2)), int(match.group(3))
    where = f"{os.path.basename(path)}: record {number}"
    others = ""
    if lost > 1:
        others = (
            f"; {lost} bad records so far, --max_bad_records is {config.max_bad_records}, and "
            f"`efficientnet-trainer inspect {config.data_dir}` names them all"
        )
    try:
        frame = _find_frame(path, number)
        if frame is None:
            return DataError(f"{where} is gone: the file became shorter as it was read{others}")
        check_record(path, frame, choose_labels(config), ImageDecoder().measure)
    except DataError as found:
        return DataError(f"{found}{others}")
    return TransientError(
        f"{where} could not be read, and now it can: look at the storage of {config.data_dir}"
    )


def _find_frame(path: str, number: int) -> Optional[records.Frame]:
    for frame in records.walk_frames(path):
        if frame.number == number:
            return frame
    return None
