"""Read the values of options: durations and fields of a job; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")


def parse_duration(text: str) -> float:
    """Return seconds: ``90``, ``90s``, ``5m``, ``1h30m``, ``2d``.

    Raises:
        ValueError: it is none of these.

    >>> parse_duration("1h30m")
    5400.0
    """
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is no duration; write it as 90, 90s, 5m, 1h30m or 2d")
    parts = re.findall(r"([\d.]+)([smhd])", text)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def set_fields(spec: dict[str, Any], settings: Iterable[str]) -> None:
    """Set fields of a spec, in place, by ``path=value`` with a value in YAML.

    Raises:
        ValueError: a setting has no ``=``, a bad value, or a path through what is no object.
    """
    from efficientnet_operator.api.manifests import load_manifest

    for setting in settings:
        path, equals, text = setting.partition("=")
        *parents, last = path.removeprefix("spec.").split(".")
        if not equals or not all([*parents, last]):
            raise ValueError(f"--set {setting!r}: want FIELD=VALUE, such as training.epochs=3")
        node = spec
        for name in parents:
            node = node.setdefault(name, {})
            if not isinstance(node, dict):
                raise ValueError(f"--set {setting!r}: {name} is no object, so it has no fields")
        try:
            node[last] = load_manifest(f"value: {text}")["value"]
        except ValueError as error:
            words = " ".join(str(error).split())
            raise ValueError(f"--set {setting!r}: the value is no YAML ({words})") from error
