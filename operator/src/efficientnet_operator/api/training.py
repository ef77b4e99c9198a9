"""What is trained, on what, and how: the model, the data and the recipe.

The defaults are the recipe of Tan and Le 2019 at 256 images per NPU; the
trainer's own flags keep the defaults of the script that it replaces, so the
operator passes every value explicitly.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from efficientnet_operator.api.base import ApiModel
from efficientnet_operator.api.volumes import VolumeSource

ModelName = Literal[
    "efficientnet-b0",
    "efficientnet-b1",
    "efficientnet-b2",
    "efficientnet-b3",
    "efficientnet-b4",
    "efficientnet-b5",
    "efficientnet-b6",
    "efficientnet-b7",
    "efficientnet-b8",
    "efficientnet-l2",
    "efficientnet-lite0",
    "efficientnet-lite1",
    "efficientnet-lite2",
    "efficientnet-lite3",
    "efficientnet-lite4",
    "efficientnet-edgetpu-S",
    "efficientnet-edgetpu-M",
    "efficientnet-edgetpu-L",
]

Path = Annotated[str, Field(min_length=1, max_length=1024)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Steps = Annotated[int, Field(ge=1, le=1_000_000_000)]


class Model(ApiModel):
    """The network."""

    name: ModelName = "efficientnet-b0"
    """Member of the EfficientNet family."""
    num_label_classes: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Classes of the data set. 1001 means 1000 and a background class with label 0."""
    image_size: Annotated[int, Field(ge=16, le=2048)] | None = None
    """Side of the square input in pixels. When unset, the size the named model was made for."""
    dropout_rate: Fraction | None = None
    """Share of the features dropped before the classifier. When unset, the model's own."""
    drop_connect_rate: Fraction | None = None
    """Share of the residual branches dropped at the last block. When unset, the model's own."""
    batch_norm_momentum: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Momentum of the moving mean and variance. When unset, 0.99."""


class Dataset(ApiModel):
    """Where the TFRecords are and how many images they hold."""

    path: Path
    """Folder of the files train-* and validation-*, as the trainer's container sees it."""
    volume: VolumeSource | None = None
    """core/v1 VolumeSource mounted read-only at path. When unset, the image or podTemplate
    provides path."""
    num_train_images: Annotated[int, Field(ge=1, le=10_000_000_000)] = 1281167
    """Images of the training set, which make one epoch."""
    num_eval_images: Annotated[int, Field(ge=1, le=10_000_000_000)] = 50000
    """Images of the validation set; each one is evaluated exactly once."""
    label_offset: Annotated[int, Field(ge=0, le=1)] = 1
    """Label of the first class in the records: 1 for TF-Slim's ImageNet, 0 for 0-based records."""


class Output(ApiModel):
    """Where checkpoints, summaries and exports go."""

    path: Path
    """Folder of the checkpoints, as the trainer's container sees it; a job resumes from what it
    finds there."""
    volume: VolumeSource | None = None
    """core/v1 VolumeSource mounted at path; with several pods it must be shared (ReadWriteMany).
    When unset, podTemplate provides path."""


class LearningRate(ApiModel):
    """The learning rate over time."""

    base: Annotated[float, Field(gt=0, le=1000)] = 0.016
    """Learning rate per update, before scaling."""
    scaling: Literal["LinearPer256", "Absolute"] = "LinearPer256"
    """LinearPer256 multiplies base by (batchSizePerNpu x npus) / 256; Absolute takes it as it is.
    """
    schedule: Literal["Exponential", "Cosine", "Polynomial", "Constant"] = "Exponential"
    """Course after the warm-up. Exponential multiplies by 0.97 every 2.4 epochs; Polynomial falls
    to 0 with the square of the steps that are left."""
    warmup_epochs: Annotated[float, Field(ge=0, le=100_000)] = 5.0
    """Epochs over which the rate rises linearly from 0; 0 starts at the full rate."""


class Augmentation(ApiModel):
    """What is done to the training images."""

    crop_and_flip: bool = True
    """Random crop and horizontal flip. Set false where position or direction carries the meaning,
    as in digits."""
    auto_augment: Literal["None", "V0", "RandAugment"] = "None"
    """Learned augmentation policy: V0 is AutoAugment's, as EfficientNets are trained with;
    RandAugment uses 2 layers, magnitude 10."""
    mixup_alpha: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Alpha of mixup's beta distribution, which weighs an image against another of its batch; 0
    switches mixup off."""


class Training(ApiModel):
    """The recipe."""

    mode: Literal["Train", "TrainAndEval", "Eval", "Export"] = "TrainAndEval"
    """Train only, train and evaluate, evaluate the newest checkpoint under output.path, or export
    it."""
    batch_size_per_npu: Annotated[int, Field(ge=1, le=65536)] = 256
    """Images per update on one NPU; the global batch is this times spec.npus."""
    gradient_accumulation_steps: Annotated[int, Field(ge=1, le=65536)] = 1
    """Parts that batchSizePerNpu is computed in, one after the other, where it does not fit at
    once; it must be a multiple. Each part is a batch of its own to batch normalization. With more
    than 1, iterationsPerLoop is 1."""
    eval_batch_size: Annotated[int, Field(ge=1, le=65536)] = 128
    """Images per evaluated batch."""
    train_steps: Steps | None = None
    """Updates in all, resumed ones included. Exclusive with epochs."""
    epochs: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Passes over the training set. Exclusive with trainSteps. When both are unset, 350."""
    iterations_per_loop: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """Updates that run on an NPU without a return to the host; a stop waits for their end."""
    steps_per_eval: Steps | None = None
    """Updates between two evaluations in mode TrainAndEval. When unset, five epochs; the last step
    is always evaluated."""
    eval_timeout_seconds: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    """In mode Eval, how long to wait for another checkpoint; each that appears is evaluated, up to
    that of the last step. When unset, one checkpoint is evaluated."""
    optimizer: Literal["RMSProp", "SGD", "Momentum", "LARS"] = "RMSProp"
    """Optimizer. RMSProp runs with decay 0.9 and epsilon 0.001, LARS with trust coefficient 0.001.
    """
    momentum: Fraction = 0.9
    """Momentum of the optimizer; SGD has none."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 1e-5
    """Factor of the L2 loss over all weights but those of batch normalization; LARS decays the
    weights itself, but for biases."""
    label_smoothing: Fraction = 0.1
    """Share of the target given to all classes alike."""
    moving_average_decay: Fraction = 0.9999
    """Decay of the weights' exponential moving average, which is what gets evaluated; 0 switches
    it off."""
    precision: Literal["Float32", "Mixed"] = "Mixed"
    """Mixed computes in float16 where the NPU's own list allows it; CPU pods always use float32.
    """
    loss_scaling: Literal["Fixed", "Dynamic"] = "Fixed"
    """Fixed keeps lossScale; Dynamic starts from it, doubles it every 1000 updates without an
    overflow and takes a fifth off after two with one. An update with an overflow is left out."""
    loss_scale: Annotated[int, Field(ge=1, le=16_777_216)] = 1024
    """Factor on the loss in Mixed precision, against vanishing gradients; 1 switches it off."""
    learning_rate: LearningRate = LearningRate()
    """Learning rate over time."""
    augmentation: Augmentation = Augmentation()
    """What is done to the training images."""
    save_checkpoints_steps: Steps | None = None
    """Updates between two checkpoints. When unset, one epoch."""
    keep_checkpoint_max: Annotated[int, Field(ge=1, le=10_000)] = 5
    """Checkpoints kept; older ones are deleted."""
    extra_args: Annotated[
        list[Annotated[str, Field(max_length=1024, pattern="^--[a-z]")]], Field(max_length=64)
    ] = Field(default=[])
    """Flags of the form --name=value for the trainer, after those that the operator builds, so
    that they win."""


class TransferLearning(ApiModel):
    """Weights to start from, when output.path holds no checkpoint yet."""

    restore_path: Path
    """Checkpoint prefix to read weights from, such as /pretrained/model.ckpt-218750."""
    restore_exclude: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=256)]], Field(max_length=64)
    ] = Field(default=[])
    """Prefixes of the variables that keep their initial values, such as
    efficientnet-b0/head/dense/."""
    weights: Literal["EMA", "Raw"] = "EMA"
    """Where weights start from: the checkpoint's moving averages, where it has them, or its
    weights."""
    freeze: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=256)]], Field(max_length=64)
    ] = Field(default=[])
    """Prefixes of the variables that are not trained, such as efficientnet-b0/stem/; frozen batch
    normalization keeps its statistics."""


class Export(ApiModel):
    """What is written after training, for serving."""

    enabled: bool = False
    """Write the formats under output.path/export when training is done; mode Export does so by
    itself."""
    formats: Annotated[
        list[Literal["SavedModel", "GraphDef", "TFLite"]], Field(min_length=1, max_length=3)
    ] = Field(default=["SavedModel"])
    """SavedModel for images or pixels; GraphDef, frozen, for Ascend's ATC; TFLite in uint8. Each
    is compared with the checkpoint before it gets its name."""
    num_steps: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Validation images that calibrate the uint8 of TFLite."""
