"""Turn a pydantic model into the structural schema that a CRD wants.

pydantic writes references, unions with null and numeric exclusive bounds; the
API server takes none of them.  Parents get an empty default, without which
the defaults inside them would not apply to a manifest that leaves them out.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]


def build_schema(model: type[BaseModel], *, defaults: bool = True) -> Schema:
    """Return the structural schema (OpenAPI v3) of one model.

    Args:
        model: its field descriptions say what defaults and bounds do not.
        defaults: False leaves them out; a status is stored as it was written.

    Returns:
        A schema of its own: nothing in it is shared or referenced.
    """
    raw = model.model_json_schema(by_alias=True, mode="validation")
    schema = _structural(raw, raw.get("$defs", {}))
    return schema if defaults else _without_defaults(schema)


def _without_defaults(schema: Schema) -> Schema:
    bare = {key: value for key, value in schema.items() if key != "default"}
    if "items" in bare:
        bare["items"] = _without_defaults(bare["items"])
    if "properties" in bare:
        bare["properties"] = {
            name: _without_defaults(child) for name, child in bare["properties"].items()
        }
    return bare


def _structural(raw: Schema, definitions: dict[str, Schema]) -> Schema:
    node = _inline(raw, definitions)
    schema: Schema = {}
    if "description" in node:
        schema["description"] = " ".join(node["description"].split())
    schema |= {key: node[key] for key in _KEPT if key in node}
    for bound in ("Minimum", "Maximum"):
        if f"exclusive{bound}" in node:
            value = node[f"exclusive{bound}"]
            schema |= {bound.lower(): value, f"exclusive{bound}": True}
    if "default" in node:
        schema["default"] = {} if node["type"] == "object" else _plain(node["default"])
    if "items" in node:
        schema["items"] = _structural(node["items"], definitions)
    if isinstance(node.get("additionalProperties"), dict):
        schema["additionalProperties"] = _structural(node["additionalProperties"], definitions)
    if "properties" in node:
        schema["properties"] = {
            name: _structural(child, definitions) for name, child in node["properties"].items()
        }
    if node.get("required"):
        schema["required"] = sorted(node["required"])
    return schema


_KEPT = (
    "type",
    "format",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-preserve-unknown-fields",
)


def _inline(raw: Schema, definitions: dict[str, Schema]) -> Schema:
    """Replace a reference and a union with null by what they stand for; the outer keys win."""
    node = dict(raw)
    if "anyOf" in node:
        (wanted,) = (branch for branch in node.pop("anyOf") if branch.get("type") != "null")
        if node.get("default", ...) is None:
            del node["default"]
        node = {**wanted, **node}
    if "$ref" in node:
        target = definitions[node.pop("$ref").removeprefix("#/$defs/")]
        node = {**target, **node}
    return node


def _plain(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def explain(schema: Schema) -> Schema:
    """Return the schema with defaults and bounds added to its descriptions.

    ``kubectl explain`` shows enums and nothing else of what a schema knows.
    """
    explained = dict(schema)
    parts = [schema["description"]] if "description" in schema else []
    if schema.get("type") not in ("object", "array") and "default" in schema:
        parts.append(f"Default: {describe_value(schema['default'])}.")
    if bounds := describe_bounds(schema):
        parts.append(f"Range: {bounds}.")
    if parts:
        explained["description"] = " ".join(parts)
    for key in ("items", "additionalProperties"):
        if key in schema:
            explained[key] = explain(schema[key])
    if "properties" in schema:
        explained["properties"] = {
            name: explain(child) for name, child in schema["properties"].items()
        }
    return explained


def describe_value(value: object) -> str:
    """Return a default as people write it in a manifest."""
    return value if isinstance(value, str) else json.dumps(value)


def describe_bounds(schema: Schema) -> str:
    """Return the allowed numbers in words, or '' where anything goes."""
    if "minimum" not in schema:
        return ""
    above = "above " if schema.get("exclusiveMinimum") else ""
    below = "below " if schema.get("exclusiveMaximum") else ""
    return f"{above}{schema['minimum']} to {below}{schema['maximum']}"
