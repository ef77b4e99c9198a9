"""The failures that a run ends with on purpose, each with its exit code.

The operator reads the code from the pod: 2 and 3 are permanent, so whatever a retry
could heal must not be raised as one of these.  ``cli`` turns them into the code and one
line on standard error.
"""


class TrainerError(Exception):
    """A failure whose message is meant for the person who wrote the job."""

    exit_code = 1


class ConfigError(TrainerError):
    """A flag, or a combination of flags, that can never work."""

    exit_code = 2


class DataError(TrainerError):
    """Records, labels or checkpoints that are missing or broken."""

    exit_code = 3


class DivergedError(DataError):
    """The loss or the weights are no finite numbers: another attempt would end the same."""
