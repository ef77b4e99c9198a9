"""Keep beside the checkpoints what a run was asked for, so that it can be repeated.

Defaults are written out, too: a later version may have others.  Who uses the weights later is
told where that would show the network other images than it learnt from.
"""

import json
import os
from typing import Any, Dict, List

from pydantic import ValidationError

from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.errors import ConfigError
from efficientnet_trainer.termination import write_whole

FILE = "settings.json"
_FLAGS = "flags"
_OF_THE_IMAGES = {
    "input_image_size": ("image_size", "model.imageSize"),
    "crop_and_flip": ("crop_and_flip", "training.augmentation.cropAndFlip"),
    "label_offset": ("label_offset", "dataset.labelOffset"),
}
"""What a network is shown and asked, and no variable's shape betrays: flag, attribute, and field
of a job's spec."""


def write_settings(model_dir: str, flags: Dict[str, Any], num_ranks: int) -> None:
    """Write ``settings.json`` whole.

    Args:
        model_dir: where to.
        flags: every flag and its value, as JSON has it.
        num_ranks: ranks that share an update, which no flag tells.
    """
    text = json.dumps({_FLAGS: flags, "ranks": num_ranks}, indent=2, sort_keys=True)
    os.makedirs(model_dir, exist_ok=True)
    path = os.path.join(model_dir, FILE)
    write_whole(path, text.encode() + b"\n")
    # For people, who may not be the one that the trainer runs as.
    os.chmod(path, 0o644)


def read_flags(path: str) -> Dict[str, Any]:
    """Return the flags of such a file.

    Raises:
        ConfigError: there is no such file, or it is another one.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            content = json.load(stream)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--config {path} cannot be read: {error}; name a {FILE} of a run"
        ) from None
    flags = content.get(_FLAGS) if isinstance(content, dict) else None
    if not isinstance(flags, dict):
        raise ConfigError(
            f'--config {path} has no object "{_FLAGS}" of names and values; name a {FILE} of a run'
        )
    return flags


def tell_differences(config: TrainerConfig, checkpoint: str) -> List[str]:
    """Say in a sentence each how a use of a checkpoint differs from its training.

    Args:
        config: the use.
        checkpoint: its prefix, or its directory.

    Returns:
        Nothing where no settings lie beside it, as beside the public checkpoints, or where
        they are another version's.
    """
    folder = checkpoint if os.path.isdir(checkpoint) else os.path.dirname(checkpoint)
    path = os.path.join(folder, FILE)
    if not os.path.exists(path):  # the best has a folder of its own among the others
        path = os.path.join(os.path.dirname(folder), FILE)
    try:
        trained = TrainerConfig(**read_flags(path))
    except (ConfigError, ValidationError):
        return []
    found = []
    for flag, (attribute, field) in _OF_THE_IMAGES.items():
        now, then = getattr(config, attribute), getattr(trained, attribute)
        if None not in (now, then) and now != then:
            wanted = json.dumps(then)
            found.append(
                f"--{flag} is {json.dumps(now)}, but the weights were trained with {wanted} "
                f"({path}): accuracies may be far from the training's; give --{flag}={wanted}, "
                f"in a job spec.{field}"
            )
    return found
