"""Tell from an exception what a run died of: its exit code and one line to act on.

Bad configuration and bad data are permanent.  A peer that is gone shows as a broken
connection and is transient: the whole gang starts again.  All else is an error.
"""

from typing import Optional, Tuple

import tensorflow.compat.v1 as tf

from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.errors import TrainerError
from efficientnet_trainer.input import explain_input_error
from efficientnet_trainer.termination import TRANSIENT

ERROR = 1
_PEER_IS_GONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


def explain(error: BaseException, config: TrainerConfig) -> Tuple[int, str]:
    """Return exit code and message of the exception that ended a run."""
    if isinstance(error, TrainerError):
        return error.exit_code, str(error)
    bad_data = explain_input_error(error, config) if isinstance(error, Exception) else None
    if bad_data is not None:
        return bad_data.exit_code, str(bad_data)
    if isinstance(error, _PEER_IS_GONE):
        return TRANSIENT, f"lost another rank: {_first_line(error)}"
    if isinstance(error, tf.train.NanLossDuringTrainingError):
        return ERROR, "the loss is not a number; lower --base_learning_rate or lengthen warm-up"
    return ERROR, f"{type(error).__name__}: {_first_line(error)}"


def _first_line(error: BaseException) -> str:
    text: Optional[str] = getattr(error, "message", None) or str(error)
    return (text or "").strip().split("\n", 1)[0]
