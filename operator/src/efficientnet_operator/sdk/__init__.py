"""Jobs from Python: build, submit, wait, read logs and progress, take the result.

>>> from efficientnet_operator.sdk import build_job
>>> job = build_job("digits", image="trainer:1", dataset="/data", output="/output", npus=4)
>>> job["kind"], job["spec"]["npus"]
('EfficientNetJob', 4)

``Client`` blocks, ``AsyncClient`` is for event loops; both speak by the same ``flows``. What is
exported here is imported when it is first used: the import alone takes milliseconds, and it
brings none of the operator's own libraries.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from efficientnet_operator.sdk.aio import AsyncClient, AsyncJob
    from efficientnet_operator.sdk.building import build_job, check_job
    from efficientnet_operator.sdk.client import Client, Job
    from efficientnet_operator.sdk.errors import (
        EnjError,
        ForbiddenError,
        GoneError,
        InvalidJobError,
        JobFailedError,
        LoginError,
        MissingApiError,
        NotFinishedError,
        NotFoundError,
        NotStartedError,
        RefusedError,
        TakenError,
        UnreachableError,
        WaitTimeoutError,
    )
    from efficientnet_operator.sdk.loglines import LogLine
    from efficientnet_operator.sdk.ranks import RankState
    from efficientnet_operator.sdk.state import JobState, Result

__all__ = [
    "AsyncClient",
    "AsyncJob",
    "Client",
    "EnjError",
    "ForbiddenError",
    "GoneError",
    "InvalidJobError",
    "Job",
    "JobFailedError",
    "JobState",
    "LogLine",
    "LoginError",
    "MissingApiError",
    "NotFinishedError",
    "NotFoundError",
    "NotStartedError",
    "RankState",
    "RefusedError",
    "Result",
    "TakenError",
    "UnreachableError",
    "WaitTimeoutError",
    "build_job",
    "check_job",
]

_HOMES = {
    "AsyncClient": "aio",
    "AsyncJob": "aio",
    "Client": "client",
    "Job": "client",
    "JobState": "state",
    "LogLine": "loglines",
    "RankState": "ranks",
    "Result": "state",
    "build_job": "building",
    "check_job": "building",
}
"""Modules of the names that are not errors."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
