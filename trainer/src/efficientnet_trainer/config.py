"""The flags of a training run: one model is their names, types, defaults and help.

``flags`` makes the parser from ``TrainerConfig`` and hands the validated object to
everything else, so a flag exists in one place.  Names and defaults are those of the
original EfficientNet trainer where it has them; a batch size is per rank, not global.
"""

from typing import Any, Optional, Tuple

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from typing_extensions import Literal

from efficientnet_trainer.architecture import Architecture, architecture

BACKGROUND_CLASSES = 1001
"""ImageNet's 1000 classes and a background class 0, which the records' labels already skip."""


class TrainerConfig(BaseModel):
    """Every flag of one run, validated; immutable, equal in all ranks."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False
    )

    # Where and what
    data_dir: str = Field(
        min_length=1,
        description="Directory of the TFRecord files train-* and validation-*.",
    )
    model_dir: str = Field(
        min_length=1,
        description="Directory of checkpoints and summaries; shared by all ranks.",
    )
    mode: Literal["train_and_eval", "train", "eval", "predict", "export"] = Field(
        "train_and_eval", description="What to do."
    )
    checkpoint_path: Optional[str] = Field(
        None,
        description="Checkpoint for modes eval, predict and export, or a directory that holds "
        "one, such as MODEL_DIR/best (unset: the newest of model_dir).",
    )
    model_name: str = Field(
        "efficientnet-b0",
        description="Member of the family: efficientnet-{b0-b8,l2,lite0-lite4,edgetpu-S|M|L}.",
    )

    # How much
    train_batch_size: int = Field(2048, ge=1, description="Images per step on each rank.")
    eval_batch_size: int = Field(1024, ge=1, description="Images per evaluation batch.")
    train_steps: int = Field(218949, ge=1, description="Steps in all, over every attempt.")
    iterations_per_loop: int = Field(
        1251, ge=1, description="Steps an NPU runs before it returns to the host."
    )
    steps_per_eval: int = Field(
        6255, ge=1, description="Steps between evaluations in mode train_and_eval."
    )
    num_train_images: int = Field(1281167, ge=1, description="Images of the training set.")
    num_eval_images: int = Field(50000, ge=1, description="Images of the validation set.")
    num_label_classes: int = Field(
        1000,
        ge=1,
        le=100_000,
        description="Classes; with 1001 a record's label is used as it is (0 is background).",
    )

    # Input
    num_parallel_calls: int = Field(
        64, ge=1, description="Images decoded at a time; more than cores is no gain."
    )
    label_offset: Optional[int] = Field(
        None,
        ge=0,
        description="A record's label minus this is its class (unset: found by inspection, "
        "or 0 with 1001 classes).",
    )
    max_bad_records: int = Field(
        0,
        ge=0,
        description="Broken records that are left out of a training session or an evaluation; "
        "one more ends it.",
    )
    deterministic_input: Optional[bool] = Field(
        None,
        description="One seed gives the same order in each run; false does not wait for slow "
        "files (unset: true where random_seed is set).",
    )
    cache: Literal["none", "memory", "disk"] = Field(
        "none",
        description="Where the first pass over the training set is kept for the others; memory "
        "lasts until the next evaluation, disk until the data change.",
    )
    cache_images: Literal["encoded", "resized"] = Field(
        "encoded",
        description="What is kept: records as they are, or images made smaller first "
        "(shorter side 32 pixels above the network's).",
    )
    cache_dir: Optional[str] = Field(
        None, description="Local directory for cache disk, with room for this rank's share."
    )
    input_image_size: Optional[int] = Field(
        None, ge=8, le=4096, description="Side of the square input, pixels (unset: the model's)."
    )
    crop_and_flip: bool = Field(
        True,
        description="Random crops and flips in training, a centre crop in evaluation; "
        "false only resizes.",
    )
    autoaugment_name: Optional[Literal["v0", "randaugment"]] = Field(
        None,
        description="Policy that distorts training images: v0 is AutoAugment's (unset: none).",
    )
    randaug_num_layers: int = Field(
        2, ge=1, le=10, description="Distortions of an image by randaugment."
    )
    randaug_magnitude: int = Field(
        10, ge=0, le=30, description="Strength of randaugment's distortions, 10 as published."
    )
    mixup_alpha: float = Field(
        0.0, ge=0, description="Alpha of the Beta distribution that mixes images; 0 mixes none."
    )

    # Network
    width_coefficient: Optional[float] = Field(
        None, gt=0, description="Width multiplier (unset: the model's)."
    )
    depth_coefficient: Optional[float] = Field(
        None, gt=0, description="Depth multiplier (unset: the model's)."
    )
    dropout_rate: Optional[float] = Field(
        None, ge=0, lt=1, description="Dropout before the classifier (unset: the model's)."
    )
    drop_connect_rate: Optional[float] = Field(
        None, ge=0, lt=1, description="Drop-connect of the last block (unset: the model's)."
    )
    batch_norm_momentum: Optional[float] = Field(
        None, gt=0, lt=1, description="Decay of the moving statistics (unset: the model's)."
    )
    data_format: Literal["channels_last", "channels_first"] = Field(
        "channels_last", description="Layout inside the network; CPUs need channels_last."
    )

    # Recipe
    base_learning_rate: float = Field(
        0.016, gt=0, description="Rate after warm-up, read as lr_scaling tells."
    )
    lr_scaling: Literal["linear_per_256", "absolute"] = Field(
        "linear_per_256", description="Rate times global batch / 256, or the rate itself."
    )
    lr_schedule: Literal["exponential", "cosine", "polynomial", "constant"] = Field(
        "exponential",
        description="How the rate falls; exponential is x0.97 every 2.4 epochs, polynomial the "
        "square of what is left after the warm-up.",
    )
    warmup_epochs: float = Field(5.0, ge=0, description="Epochs of linear warm-up from 0.")
    optimizer: Literal["rmsprop", "momentum", "sgd", "lars"] = Field(
        "rmsprop", description="Optimizer."
    )
    gradient_accumulation_steps: int = Field(
        1,
        ge=1,
        description="Parts that train_batch_size is computed in, one after the other, where it "
        "does not fit at once.",
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of all optimizers but sgd.")
    weight_decay: float = Field(
        1e-5,
        ge=0,
        description="L2 factor of every trainable outside batch normalisation; lars has it inside "
        "and leaves out biases, too.",
    )
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Mass spread over all classes.")
    moving_average_decay: float = Field(
        0.9999, ge=0, lt=1, description="Decay of the weights' average; 0 keeps none."
    )
    precision: Optional[Literal["float32", "mixed"]] = Field(
        None, description="Arithmetic (unset: float32 on CPUs, mixed on NPUs)."
    )
    loss_scaling: Literal["fixed", "dynamic"] = Field(
        "fixed",
        description="Loss scale of mixed precision: one factor, or one that doubles every 1000 "
        "steps without an overflow and shrinks after two with one.",
    )
    loss_scale: float = Field(
        1024.0, ge=1, description="The factor; with dynamic scaling the one to start from."
    )
    random_seed: Optional[int] = Field(None, ge=0, description="Seed of all that is random.")

    # Checkpoints and what follows
    save_checkpoints_steps: Optional[int] = Field(
        None, ge=1, description="Steps between checkpoints (unset: one epoch)."
    )
    keep_checkpoint_max: int = Field(5, ge=0, description="Checkpoints kept; 0 keeps all.")
    restore_path: Optional[str] = Field(
        None, description="Checkpoint whose weights a new run starts from."
    )
    restore_exclude: Tuple[str, ...] = Field(
        (), description="Variable name prefixes not restored, separated by commas."
    )
    restore_weights: Literal["ema", "raw"] = Field(
        "ema",
        description="What weights and their averages start from: the checkpoint's averages "
        "where it has them, or its weights.",
    )
    freeze: Tuple[str, ...] = Field(
        (), description="Variable name prefixes that are not trained, separated by commas."
    )
    export_dir: Optional[str] = Field(
        None, description="Directory to export to: by mode export, and when training is done."
    )
    export_formats: Tuple[Literal["saved_model", "graph_def", "tflite"], ...] = Field(
        ("saved_model",), min_length=1, description="What to export, separated by commas."
    )
    num_steps: int = Field(
        1000, ge=1, description="Validation images that calibrate the uint8 of format tflite."
    )
    predict_files: Tuple[str, ...] = Field(
        (), description="Images, or folders of them, for mode predict, separated by commas."
    )
    top_k: int = Field(5, ge=1, description="Classes that mode predict prints for an image.")
    eval_timeout: Optional[int] = Field(
        None,
        ge=1,
        description="Seconds that mode eval waits for a new checkpoint; it then evaluates each "
        "(unset: one checkpoint, no waiting).",
    )
    log_steps: int = Field(100, ge=1, description="Steps between log lines.")

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, values: Any) -> Any:
        """Drop ``--flag=``: templates write an empty value where they have none."""
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if value != ""}

    @field_validator("restore_exclude", "freeze", "export_formats", "predict_files", mode="before")
    @classmethod
    def _split_on_commas(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("model_name")
    @classmethod
    def _is_a_member(cls, value: str) -> str:
        architecture(value)
        return value

    @model_validator(mode="after")
    def _batch_splits_evenly(self) -> "TrainerConfig":
        if self.train_batch_size % self.gradient_accumulation_steps:
            raise ValueError(
                f"--gradient_accumulation_steps is {self.gradient_accumulation_steps}, which does "
                f"not divide --train_batch_size {self.train_batch_size}; use a divisor"
            )
        return self

    @model_validator(mode="after")
    def _cache_has_a_place(self) -> "TrainerConfig":
        if self.cache == "disk" and not self.cache_dir:
            raise ValueError("--cache=disk needs --cache_dir, a local directory")
        return self

    @model_validator(mode="after")
    def _mode_has_what_it_needs(self) -> "TrainerConfig":
        if self.mode == "export" and not self.export_dir:
            raise ValueError("--mode=export needs --export_dir, where to export to")
        if self.mode == "predict" and not self.predict_files:
            raise ValueError("--mode=predict needs --predict_files, the images")
        if self.checkpoint_path and self.trains:
            raise ValueError(
                f"--mode={self.mode} goes on from --model_dir, so --checkpoint_path has no use; "
                f"to start from another run's weights use --restore_path"
            )
        return self

    @property
    def trains(self) -> bool:
        """Whether the mode is one that trains."""
        return self.mode in ("train", "train_and_eval")

    @property
    def architecture(self) -> Architecture:
        """The model with this run's overrides."""
        return architecture(
            self.model_name,
            width=self.width_coefficient,
            depth=self.depth_coefficient,
            dropout_rate=self.dropout_rate,
            drop_connect_rate=self.drop_connect_rate,
            batch_norm_momentum=self.batch_norm_momentum,
        )

    @property
    def image_size(self) -> int:
        """Side of the square input, pixels."""
        return self.input_image_size or self.architecture.image_size

    @property
    def has_fixed_offset(self) -> bool:
        """Whether class_offset is certain without a look at the labels."""
        return self.label_offset is not None or self.num_label_classes == BACKGROUND_CLASSES

    @property
    def is_deterministic(self) -> bool:
        """Whether the same seed has to give the same order of images."""
        if self.deterministic_input is None:
            return self.random_seed is not None
        return self.deterministic_input

    @property
    def class_offset(self) -> int:
        """A record's label minus this is its class, where labels do not tell otherwise."""
        if self.label_offset is not None:
            return self.label_offset
        return 0 if self.num_label_classes == BACKGROUND_CLASSES else 1

    @property
    def micro_batch_size(self) -> int:
        """Images that a rank computes at a time in training."""
        return self.train_batch_size // self.gradient_accumulation_steps

    @property
    def weight_decay_in_loss(self) -> float:
        """Factor of the L2 loss; LARS decays the weights itself."""
        return 0.0 if self.optimizer == "lars" else self.weight_decay

    def steps_per_epoch(self, num_ranks: int) -> float:
        """Steps per pass over the training set; no whole number, as the schedule counts."""
        return self.num_train_images / (self.train_batch_size * num_ranks)

    def checkpoint_steps(self, num_ranks: int) -> int:
        """Steps between checkpoints: the flag, or one epoch."""
        return self.save_checkpoints_steps or max(1, int(self.steps_per_epoch(num_ranks)))
