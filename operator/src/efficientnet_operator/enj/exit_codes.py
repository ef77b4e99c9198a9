"""What a script learns from the exit code; the table of the documentation is this one."""

from __future__ import annotations

from efficientnet_operator.sdk import errors

DONE = 0
FAILED = 1
USAGE = 2
INTERRUPTED = 130

MEANINGS = {
    DONE: "done; of `wait`: what was waited for holds",
    FAILED: "the job failed, or the cluster refused for another reason than those below",
    USAGE: "wrong usage: an option, a value, a file, or a job that the API server would refuse",
    3: "the time of `--timeout` is over; the job goes on",
    4: "there is no such job, rank or namespace, or the job was deleted meanwhile",
    5: "a job of that name exists already",
    6: "not allowed, or not logged in",
    7: "the API server cannot be reached, or nothing says where it is",
    8: "the cluster has no EfficientNetJobs: the operator is not installed",
    9: "not yet: no log, no rank table or no result so far",
    INTERRUPTED: "stopped by Ctrl-C",
}

_CODES: tuple[tuple[type[errors.EnjError], int], ...] = (
    (errors.InvalidJobError, USAGE),
    (errors.WaitTimeoutError, 3),
    (errors.NotFoundError, 4),
    (errors.TakenError, 5),
    (errors.ForbiddenError, 6),
    (errors.UnreachableError, 7),
    (errors.LoginError, 7),
    (errors.MissingApiError, 8),
    (errors.NotStartedError, 9),
    (errors.NotFinishedError, 9),
)


def code_of(error: errors.EnjError) -> int:
    """Return the exit code of an error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)
