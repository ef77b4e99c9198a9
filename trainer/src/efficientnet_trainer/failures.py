"""Tell from an exception what a run died of: its exit code and one line to act on.

Bad configuration and bad data are permanent.  A peer that is gone shows as a broken
connection and is transient: the whole gang starts again.  All else is an error.
"""

import os
from typing import Tuple

import tensorflow.compat.v1 as tf

from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.errors import DivergedError, TrainerError
from efficientnet_trainer.input import explain_input_error
from efficientnet_trainer.saving import PEER_IS_GONE, describe_newest, first_line
from efficientnet_trainer.termination import BAD_DATA, TRANSIENT

ERROR = 1
_NO_ROOM = "No space left on device"
_NO_FOLDER = (FileExistsError, NotADirectoryError, PermissionError)


def is_divergence(error: BaseException) -> bool:
    """Tell whether a run ended because loss or weights are no finite numbers."""
    return isinstance(error, (DivergedError, tf.train.NanLossDuringTrainingError))


def explain(error: BaseException, config: TrainerConfig) -> Tuple[int, str]:
    """Return exit code and message of the exception that ended a run."""
    if is_divergence(error):
        what = str(error) if isinstance(error, DivergedError) else "the loss is no number"
        return BAD_DATA, (
            f"{what}; {describe_newest(config.model_dir)}; lower --base_learning_rate or "
            f"lengthen --warmup_epochs, and the run goes on from there"
        )
    if isinstance(error, TrainerError):
        return error.exit_code, str(error)
    bad_data = explain_input_error(error, config) if isinstance(error, Exception) else None
    if bad_data is not None:
        return bad_data.exit_code, str(bad_data)
    if isinstance(error, PEER_IS_GONE):
        return TRANSIENT, f"lost another rank: {first_line(error)}"
    if isinstance(error, tf.errors.ResourceExhaustedError) and _NO_ROOM in str(error):
        newest = describe_newest(config.model_dir)
        return TRANSIENT, f"{first_line(error)}; {newest}; make room and the run goes on from it"
    if isinstance(error, _NO_FOLDER) and str(error.filename).startswith(config.model_dir):
        return ERROR, (
            f"--model_dir {config.model_dir} cannot be written to ({first_line(error)}); name a "
            f"folder that user {os.getuid()} may write to, or give it to that user"
        )
    return ERROR, f"{type(error).__name__}: {first_line(error)}"
