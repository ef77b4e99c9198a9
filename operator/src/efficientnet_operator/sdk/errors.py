"""What can go wrong between a person and a job, each with the way out in its words.

One class for each thing that a program may want to tell apart; the command line turns them
into exit codes.
"""

from __future__ import annotations


class EnjError(Exception):
    """Anything that the SDK refuses or that the cluster answered; the text is for people."""


class LoginError(EnjError):
    """Nothing says how to reach the cluster, or what says so cannot be read."""


class InvalidJobError(EnjError):
    """The job is not one that the API server would take; a line for each fault."""


class NotFoundError(EnjError):
    """There is no such job, pod, table or namespace."""


class GoneError(NotFoundError):
    """The job was deleted while somebody looked at it, perhaps replaced by a namesake."""


class TakenError(EnjError):
    """A job of that name exists already."""


class ForbiddenError(EnjError):
    """The cluster knows who asks, or does not, and says no."""


class MissingApiError(EnjError):
    """The cluster has no EfficientNetJobs: its CRD is not installed."""


class UnreachableError(EnjError):
    """The API server does not answer, or no longer does."""


class RefusedError(EnjError):
    """The API server said no for a reason of its own.

    Attributes:
        status: HTTP status.
    """

    def __init__(self, words: str, status: int):
        super().__init__(words)
        self.status = status


class JobFailedError(EnjError):
    """The job reached Failed; the words name rank, node and reason."""


class WaitTimeoutError(EnjError, TimeoutError):
    """The job was not there yet when the time was over; it goes on."""


class NotFinishedError(EnjError):
    """What was asked for exists only at the job's end."""


class NotStartedError(EnjError):
    """What was asked for exists only once the job's pods run."""
