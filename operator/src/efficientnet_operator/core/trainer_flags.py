"""Turn a job's spec into the trainer's flags.

The trainer keeps the names and defaults of the script that it replaces, which
differ from the job's; so every value is passed, and a pod's arguments show the
whole recipe.
"""

from __future__ import annotations

from efficientnet_operator.api.spec import EfficientNetJobSpec
from efficientnet_operator.api.training import Training

MODES = {
    "Train": "train",
    "TrainAndEval": "train_and_eval",
    "Eval": "eval",
    "Export": "export",
}
EXPORT_FORMATS = {"SavedModel": "saved_model", "GraphDef": "graph_def", "TFLite": "tflite"}
LR_SCALING = {"LinearPer256": "linear_per_256", "Absolute": "absolute"}
AUTO_AUGMENT = {"V0": "v0", "RandAugment": "randaugment"}

Flag = str | int | float | bool | None


def build_trainer_flags(spec: EfficientNetJobSpec) -> list[str]:
    """Return ``--name=value`` for every set value; ``extraArgs`` come last, so that they win."""
    values = {
        **_run_flags(spec),
        **_model_flags(spec),
        **_recipe_flags(spec.training, spec.accelerator),
        **_transfer_flags(spec),
    }
    flags = [f"--{name}={_format(value)}" for name, value in values.items() if value is not None]
    return [*flags, *spec.training.extra_args]


def _run_flags(spec: EfficientNetJobSpec) -> dict[str, Flag]:
    training = spec.training
    return {
        "mode": MODES[training.mode],
        "data_dir": spec.dataset.path,
        "model_dir": spec.output.path,
        "num_train_images": spec.dataset.num_train_images,
        "num_eval_images": spec.dataset.num_eval_images,
        "train_batch_size": training.batch_size_per_npu,
        "gradient_accumulation_steps": training.gradient_accumulation_steps,
        "eval_batch_size": training.eval_batch_size,
        "train_steps": spec.total_steps,
        "iterations_per_loop": training.iterations_per_loop,
        "steps_per_eval": spec.steps_per_eval,
        "eval_timeout": training.eval_timeout_seconds,
        "save_checkpoints_steps": spec.save_checkpoints_steps,
        "keep_checkpoint_max": training.keep_checkpoint_max,
    }


def _model_flags(spec: EfficientNetJobSpec) -> dict[str, Flag]:
    model = spec.model
    # With 1001 classes the labels are used as they are: class 0 is the background.
    offset = 0 if model.num_label_classes == 1001 else spec.dataset.label_offset
    return {
        "model_name": model.name,
        "num_label_classes": model.num_label_classes,
        "label_offset": offset,
        "input_image_size": model.image_size,
        "dropout_rate": model.dropout_rate,
        "drop_connect_rate": model.drop_connect_rate,
        "batch_norm_momentum": model.batch_norm_momentum,
    }


def _recipe_flags(training: Training, accelerator: str) -> dict[str, Flag]:
    rate = training.learning_rate
    augmentation = training.augmentation
    return {
        "optimizer": training.optimizer.lower(),
        "momentum": training.momentum,
        "weight_decay": training.weight_decay,
        "label_smoothing": training.label_smoothing,
        "moving_average_decay": training.moving_average_decay,
        "precision": "float32" if accelerator == "CPU" else training.precision.lower(),
        "loss_scaling": training.loss_scaling.lower(),
        "loss_scale": training.loss_scale,
        "base_learning_rate": rate.base,
        "lr_scaling": LR_SCALING[rate.scaling],
        "lr_schedule": rate.schedule.lower(),
        "warmup_epochs": rate.warmup_epochs,
        "crop_and_flip": augmentation.crop_and_flip,
        "autoaugment_name": AUTO_AUGMENT.get(augmentation.auto_augment),
        "mixup_alpha": augmentation.mixup_alpha or None,
    }


def _transfer_flags(spec: EfficientNetJobSpec) -> dict[str, Flag]:
    flags: dict[str, Flag] = {}
    transfer, export = spec.transfer_learning, spec.export
    if transfer is not None:
        flags["restore_path"] = transfer.restore_path
        flags["restore_exclude"] = ",".join(transfer.restore_exclude) or None
        flags["restore_weights"] = transfer.weights.lower()
        flags["freeze"] = ",".join(transfer.freeze) or None
    if export.enabled or spec.training.mode == "Export":
        flags["export_dir"] = f"{spec.output.path.rstrip('/')}/export"
        flags["export_formats"] = ",".join(EXPORT_FORMATS[name] for name in export.formats)
        flags["num_steps"] = export.num_steps
    return flags


def _format(value: Flag) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
