"""How long a job may run, what a failure does, and what is kept at the end.

The one part of the spec that may change while the job lives.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from efficientnet_operator.api.base import ApiModel

Seconds = Annotated[int, Field(ge=1, le=315_360_000)]

MANAGER = "efficientnet.dev/operator"
"""Value of runPolicy.managedBy that this operator answers to."""


class ExitCodes(ApiModel):
    """A set of exit codes."""

    operator: Literal["In", "NotIn"]
    """In matches a code that is listed, NotIn one that is not."""
    values: Annotated[
        list[Annotated[int, Field(ge=1, le=255)]], Field(min_length=1, max_length=64)
    ]
    """Exit codes of the first failed rank, 1 to 255."""


class FailureRule(ApiModel):
    """What to do about failures of one kind; all given conditions must match."""

    action: Literal["FailJob", "Restart", "RestartUncharged"]
    """FailJob ends the job, Restart replaces the gang within backoffLimit, RestartUncharged does
    not count it."""
    on_exit_codes: ExitCodes | None = None
    """Matches by the exit code of the first failed rank."""
    on_reasons: (
        Annotated[
            list[Annotated[str, Field(min_length=1, max_length=64)]],
            Field(min_length=1, max_length=16),
        ]
        | None
    ) = None
    """Matches by status.failure.reason, such as BadData, Transient, OOMKilled or Evicted."""


class FailurePolicy(ApiModel):
    """Exceptions from the usual handling of failures."""

    rules: Annotated[list[FailureRule], Field(max_length=20)] = Field(default=[])
    """Rules in order; the first that matches decides. Without a match codes 2 and 3 fail the job
    and others restart the gang."""


class RunPolicy(ApiModel):
    """Life of the job; may be changed at any time, managedBy excepted."""

    suspend: bool = False
    """True stops the pods after a checkpoint and creates none; false resumes."""
    backoff_limit: Annotated[int, Field(ge=0, le=1000)] = 3
    """Restarts of the gang after failures before the job is Failed. Evictions, deletions and lost
    nodes are not counted."""
    active_deadline_seconds: Seconds | None = None
    """Seconds from the start of the job, or from its last resume, until it is Failed with
    DeadlineExceeded. When unset, no limit."""
    pending_deadline_seconds: Seconds | None = None
    """Seconds an attempt may take until all its ranks run; then its pods are given back and
    tried again after a delay, uncharged. When unset, no limit."""
    progress_deadline_seconds: Seconds | None = None
    """Seconds without a step or an evaluated batch, after the first step, before the gang is
    restarted, charged, with reason NoProgress. When unset, no limit."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=315_360_000)] | None = None
    """Seconds after the end until the job is deleted with all it owns. When unset, it is kept."""
    clean_pod_policy: Literal["None", "Running", "All"] = "Running"
    """Pods deleted at the end: none, those still running, or all; finished pods keep their logs.
    """
    failure_policy: FailurePolicy = FailurePolicy()
    """Exceptions from the usual handling of failures."""
    managed_by: Annotated[
        str,
        Field(
            max_length=63,
            pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
        ),
    ] = MANAGER
    """Controller that runs the job; with another value, such as kueue.x-k8s.io/multikueue, this
    operator leaves it alone. Immutable."""
