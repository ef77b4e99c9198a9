"""EfficientNetJob: the whole resource, and what follows from its spec.

Read by every part of the core.  Properties here are arithmetic on the spec
alone; what depends on the cluster's state belongs to the core.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from efficientnet_operator.api.base import ApiModel, Timestamp
from efficientnet_operator.api.names import API_VERSION, KIND
from efficientnet_operator.api.placement import NpuCount, RankTable, Scheduling
from efficientnet_operator.api.run_policy import RunPolicy
from efficientnet_operator.api.status import EfficientNetJobStatus
from efficientnet_operator.api.training import (
    Dataset,
    Export,
    Model,
    Output,
    Training,
    TransferLearning,
)
from efficientnet_operator.api.volumes import FREE_FORM

DEFAULT_EPOCHS = 350
EVALUATION_INTERVAL_EPOCHS = 5
HOST_COUNTS = (8, 4, 2, 1)
"""NPUs of one job that HCCL accepts on one host, best first."""

_STRINGS = {
    "type": "object",
    "additionalProperties": {"type": "string", "maxLength": 262144},
    "maxProperties": 256,
}
PodTemplate = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "properties": {
                "metadata": {
                    "type": "object",
                    "description": "Labels and annotations added to the trainer pods.",
                    "properties": {
                        "labels": {**_STRINGS, "description": "Labels added to the pods."},
                        "annotations": {
                            **_STRINGS,
                            "description": "Annotations added to the pods.",
                        },
                    },
                },
                "spec": {
                    **FREE_FORM,
                    "description": (
                        "Partial core/v1 PodSpec merged into that of the trainer pods;"
                        " the container that trains is called trainer."
                    ),
                },
            },
        }
    ),
]


class EfficientNetJobSpec(ApiModel):
    """What to train, on which NPUs. Only runPolicy can change once the job exists."""

    npus: Annotated[int, Field(ge=1, le=8192)]
    """NPUs of the job in all, each of them one rank; with accelerator CPU, the number of
    processes."""
    npus_per_pod: NpuCount = 1
    """NPUs of each pod; 8 on whole Ascend servers is what the vendor supports."""
    accelerator: Literal["Ascend910", "Ascend910B", "CPU"] = "Ascend910"
    """Kind of NPU. CPU trains without any, on ordinary nodes."""
    image: Annotated[str, Field(min_length=1, max_length=1024)]
    """Trainer image, such as registry.example/efficientnet-trainer:0.1.0."""
    model: Model = Model()
    """The network."""
    dataset: Dataset
    """Where the TFRecords are and how many images they hold."""
    output: Output
    """Where checkpoints, summaries and exports go."""
    training: Training = Training()
    """The recipe."""
    transfer_learning: TransferLearning | None = None
    """Weights to start from, when output.path holds no checkpoint yet."""
    export: Export = Export()
    """What is written after training, for serving."""
    rank_table: RankTable = RankTable()
    """Form of the HCCL rank table."""
    scheduling: Scheduling = Scheduling()
    """Which scheduler places the pods, together or one by one, and how many to a host."""
    run_policy: RunPolicy = RunPolicy()
    """Life of the job; may be changed at any time, managedBy excepted."""
    pod_template: PodTemplate = Field(default={})
    """Labels, annotations and a partial pod spec, merged into the trainer pods."""

    @property
    def replicas(self) -> int:
        """Pods of one attempt."""
        return self.npus // self.npus_per_pod

    @property
    def npus_per_host(self) -> int:
        """NPUs of the job on each host, asked for or the largest legal count that divides npus."""
        if self.scheduling.npus_per_host is not None:
            return self.scheduling.npus_per_host
        return next(count for count in HOST_COUNTS if self.npus % count == 0)

    @property
    def global_batch_size(self) -> int:
        """Images per update over all NPUs."""
        return self.training.batch_size_per_npu * self.npus

    @property
    def steps_per_epoch(self) -> int:
        """Updates that make one pass over the training set, at least 1."""
        return max(1, self.dataset.num_train_images // self.global_batch_size)

    @property
    def total_steps(self) -> int:
        """Updates of the whole training: trainSteps, or epochs (350) in updates."""
        if self.training.train_steps is not None:
            return self.training.train_steps
        epochs = self.training.epochs or DEFAULT_EPOCHS
        return max(1, epochs * self.dataset.num_train_images // self.global_batch_size)

    @property
    def steps_per_eval(self) -> int:
        """Updates between two evaluations."""
        return self.training.steps_per_eval or EVALUATION_INTERVAL_EPOCHS * self.steps_per_epoch

    @property
    def save_checkpoints_steps(self) -> int:
        """Updates between two checkpoints."""
        return self.training.save_checkpoints_steps or self.steps_per_epoch


class Metadata(ApiModel):
    """The part of an object's metadata that the operator reads."""

    name: str = ""
    namespace: str = "default"
    uid: str = ""
    generation: int = 1
    resource_version: str = ""
    creation_timestamp: Timestamp | None = None
    deletion_timestamp: Timestamp | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class EfficientNetJob(ApiModel):
    """One training run of an EfficientNet on Ascend NPUs, or on CPUs."""

    api_version: Literal["efficientnet.dev/v1alpha1"] = API_VERSION
    kind: Literal["EfficientNetJob"] = KIND
    metadata: Metadata = Metadata()
    spec: EfficientNetJobSpec
    """What to train, on which NPUs. Only runPolicy can change once the job exists."""
    status: EfficientNetJobStatus = EfficientNetJobStatus()
    """What the operator observed; written by it alone."""

    @property
    def key(self) -> str:
        """namespace/name, as people and work queues call the job."""
        return f"{self.metadata.namespace}/{self.metadata.name}"
