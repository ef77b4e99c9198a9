"""Read a manifest as kubectl reads it, which is not quite how PyYAML does.

To kubectl ``1e-5`` is a number, ``2026-01-01`` and ``1:30`` are text and ``y`` is
true; PyYAML, which follows YAML 1.1 by the letter, sees it the other way round.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

_INT64 = range(-(2**63), 2**63)


class _KubectlLoader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of kubectl."""


_SCALARS = (
    ("bool", "y|Y|n|N|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF", "yYnNoO"),
    ("bool", "true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", "[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)", "-+0123456789"),
    ("float", r"[-+]?([.][0-9]+|[0-9][0-9_]*([.][0-9_]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?[.](inf|Inf|INF)|[.](nan|NaN|NAN)", "-+."),
)
"""Tag, form and first characters of the plain scalars that are no text."""

_KubectlLoader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag.endswith((":null", ":merge"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, _form, _first in _SCALARS:
    _KubectlLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_form})$"), [*_first]
    )
_KubectlLoader.bool_values = {**yaml.SafeLoader.bool_values, "y": True, "n": False}


def load_manifest(text: str) -> dict[str, Any]:
    """Return the one object that a YAML or JSON text holds.

    Raises:
        ValueError: the text is no YAML, no object, or more than one.
    """
    try:
        documents = [
            document
            for document in yaml.load_all(text, Loader=_KubectlLoader)
            if document is not None
        ]
    except yaml.YAMLError as error:
        raise ValueError(f"error converting YAML to JSON: {error}") from error
    if len(documents) != 1 or not isinstance(documents[0], dict):
        kinds = ", ".join(map(_name_kind, documents)) or "nothing"
        raise ValueError(f"the manifest holds {kinds}; want one object, an EfficientNetJob")
    manifest: dict[str, Any] = documents[0]
    return manifest


def _name_kind(document: object) -> str:
    kind = document.get("kind") if isinstance(document, dict) else None
    return str(kind or f"a {type(document).__name__}")


def to_json(value: object) -> Any:
    """Return a copy in the types of JSON as the API server decodes it.

    Raises:
        ValueError: a number is infinite or none, which JSON cannot say.
    """
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value in _INT64 else float(value)
    return value if value is None or isinstance(value, str | bool) else str(value)


def _number(value: float) -> float:
    if not math.isfinite(value):
        name = "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
        raise ValueError(f"json: unsupported value: {name}")
    return int(value) if value.is_integer() and int(value) in _INT64 else value
