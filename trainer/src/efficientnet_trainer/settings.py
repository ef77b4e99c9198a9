"""Keep beside the checkpoints what a run was asked for, so that it can be repeated.

Defaults are written out, too: a later version may have others.
"""

import json
import os
from typing import Any, Dict

from efficientnet_trainer.errors import ConfigError
from efficientnet_trainer.termination import write_whole

FILE = "settings.json"
_FLAGS = "flags"


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
