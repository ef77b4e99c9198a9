"""Read the flags of a command line into a ``TrainerConfig``, and say what is wrong with them.

The parser is made from the model's fields, so a flag exists in one place.
"""

import argparse
from typing import Any, Dict, List

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from efficientnet_trainer import settings
from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.errors import ConfigError

_FIELDS = frozenset(TrainerConfig.model_fields)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a ``--name`` for every field of TrainerConfig, and a file that has them, too.

    argparse keeps the words as they are and leaves out what is not given: types, ranges
    and defaults are the model's, so ``from_arguments`` finds all that is wrong at once.
    """
    parser.add_argument(
        "--config",
        metavar="FILE",
        help=f"A {settings.FILE} that a run left in its model_dir, to repeat it: its flags, but "
        f"for those that are given here.",
    )
    for name, field in TrainerConfig.model_fields.items():
        text = (field.description or "").replace("%", "%%")
        default = field.default
        if field.is_required():
            text += " Required."
        elif default not in (None, ()):
            shown = str(default).lower() if isinstance(default, bool) else default
            shown = ",".join(default) if isinstance(default, tuple) else shown
            text += f" Default: {shown}."
        parser.add_argument("--" + name, default=argparse.SUPPRESS, metavar="VALUE", help=text)


def from_arguments(namespace: argparse.Namespace) -> TrainerConfig:
    """Validate the flags that were given, over those of ``--config``.

    Other attributes of the namespace are ignored.

    Raises:
        ConfigError: names every flag that is wrong, its value and what is wanted.
    """
    given = {name: value for name, value in vars(namespace).items() if name in _FIELDS}
    path = getattr(namespace, "config", None)
    if not path:
        return build_config(given)
    kept = settings.read_flags(path)
    try:
        return build_config({**kept, **given})
    except ConfigError as error:
        raise ConfigError(f"{error} (flags that are not given are those of {path})") from None


def build_config(values: Dict[str, Any]) -> TrainerConfig:
    """Validate values by field name, as words or as Python values.

    Raises:
        ConfigError: names every flag that is wrong, its value and what is wanted.
    """
    try:
        return TrainerConfig(**values)
    except ValidationError as error:
        problems: List[str] = [_describe_problem(detail) for detail in error.errors()]
        raise ConfigError("; ".join(problems)) from None


def _describe_problem(detail: ErrorDetails) -> str:
    """Say in one clause which flag is wrong, what was found and what is wanted."""
    if not detail["loc"]:
        return detail["msg"].replace("Value error, ", "", 1)
    name = str(detail["loc"][0])
    if detail["type"] == "missing":
        meaning = (TrainerConfig.model_fields[name].description or "").rstrip(".")
        return f"--{name} is required: {meaning[0].lower() + meaning[1:]}"
    if detail["type"] == "extra_forbidden":
        return f"--{name} is no flag of this trainer"
    wanted = detail["msg"]
    if detail["type"] == "value_error":
        wanted = wanted.replace("Value error, ", "", 1)
    return "--{} is {!r}: {}".format(name, detail["input"], wanted[0].lower() + wanted[1:])
