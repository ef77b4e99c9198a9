"""Status of an EfficientNetJob: what the operator tells people and itself.

O(1) in the size of the job: one failure, one progress, ten records at most.
``attempt`` and the terminal conditions are also the operator's memory across
restarts, so they are written before the cluster is changed accordingly.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from efficientnet_operator.api.base import ApiModel, Timestamp

HISTORY_LIMIT = 10
"""Attempts kept in status.history."""


class Condition(ApiModel):
    """One aspect of the job's state, in the manner of metav1.Condition."""

    type: Annotated[str, Field(max_length=316)]
    """Created, Suspended, Scheduled, Allocated, Running, Restarting, Succeeded or Failed."""
    status: Literal["True", "False", "Unknown"]
    """Whether the condition holds."""
    reason: Annotated[str, Field(max_length=1024)] = ""
    """One word in CamelCase for programs, such as UnevenAllocation."""
    message: Annotated[str, Field(max_length=32768)] = ""
    """For people: what was found where, what was wanted, and the way out."""
    last_transition_time: Timestamp | None = None
    """When status last changed."""
    observed_generation: int | None = None
    """metadata.generation that the condition speaks of."""


class NpuCounts(ApiModel):
    """NPUs of the current attempt."""

    total: int = 0
    """NPUs asked for."""
    allocated: int = 0
    """NPUs that the device plugin has reported so far."""


class RankTableStatus(ApiModel):
    """The published rank table of the current attempt."""

    config_map: str | None = None
    """ConfigMap that holds hccl.json and peers.json."""
    sha256: str | None = None
    """SHA-256 (hex) of hccl.json."""
    completed_at: Timestamp | None = None
    """When the complete table was published, or the last addresses after it."""


class Progress(ApiModel):
    """How far training is, as rank 0 tells it."""

    phase: str | None = None
    """waiting, compiling, training, evaluating, saving, exporting or done."""
    step: int | None = None
    """Updates applied, those before a resume included."""
    total_steps: int | None = None
    """Updates of the whole training."""
    epoch: float | None = None
    """Passes over the training set so far."""
    percent: float | None = None
    """step out of totalSteps, 0 to 100."""
    images_per_second: float | None = None
    """Training images per second over all ranks."""
    loss: float | None = None
    """Mean training loss per image at the last logged step."""
    learning_rate: float | None = None
    """Learning rate at the last logged step."""
    top1: float | None = None
    """Share of validation images whose best guess is right, 0 to 1."""
    top5: float | None = None
    """Share of validation images with the right class among the best five, 0 to 1."""
    eta_seconds: float | None = None
    """Seconds to the end of training at the current speed."""
    last_updated: Timestamp | None = None
    """When these figures were read."""


class Failure(ApiModel):
    """The first failure of the last failed attempt; it stays after the pods are gone."""

    rank: int | None = None
    """Rank that failed first."""
    pod: str | None = None
    """Its pod."""
    node: str | None = None
    """Node on which the pod ran."""
    npu: str | None = None
    """Physical device id of the rank on its host."""
    attempt: int | None = None
    """Attempt that failed."""
    exit_code: int | None = None
    """Exit code of the rank: 2 and 3 are permanent, 75 transient, 143 stopped."""
    reason: str | None = None
    """One word, such as BadData, Transient, OOMKilled, PodDeleted or Disrupted."""
    message: str | None = None
    """Last error in the trainer's own words."""


class AttemptRecord(ApiModel):
    """How one past attempt went."""

    attempt: int
    """Number of the attempt, from 1."""
    reason: str | None = None
    """One word: how it ended, such as Completed, BadData or PodDeleted."""
    message: str | None = None
    """For people: how it ended."""
    charged: bool | None = None
    """Whether it counted against runPolicy.backoffLimit."""
    step: int | None = None
    """Last step that was seen."""
    start_time: Timestamp | None = None
    """When its first pod was created."""
    completion_time: Timestamp | None = None
    """When it ended."""


class EfficientNetJobStatus(ApiModel):
    """What the operator observed; written by it alone."""

    phase: str | None = None
    """The state in one word, for people; derived from the conditions, which programs should read.
    """
    conditions: Annotated[
        list[Condition],
        Field(
            max_length=32,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
            },
        ),
    ] = Field(default=[])
    """Aspects of the state, one for each type."""
    observed_generation: int | None = None
    """metadata.generation that this status speaks of."""
    attempt: int | None = None
    """Number of the current attempt, from 1."""
    restarts: int | None = None
    """Attempts begun after the first, charged or not."""
    charged_restarts: int | None = None
    """Those of them that counted against runPolicy.backoffLimit."""
    attempt_start_time: Timestamp | None = None
    """When the first pod of the current attempt was asked for."""
    npus: NpuCounts | None = None
    """NPUs of the current attempt."""
    rank_table: RankTableStatus | None = None
    """The published rank table of the current attempt."""
    progress: Progress | None = None
    """How far training is, as rank 0 tells it."""
    failure: Failure | None = None
    """The first failure of the last failed attempt; it stays after the pods are gone."""
    history: Annotated[list[AttemptRecord], Field(max_length=HISTORY_LIMIT)] = Field(
        default_factory=list
    )
    """The last ten attempts that ended, oldest first."""
    start_time: Timestamp | None = None
    """When the job began, or was last resumed; unset while it is suspended."""
    completion_time: Timestamp | None = None
    """When the job reached Succeeded or Failed."""
