"""Prepare a manifest as the API server does before it validates: drop and fill in.

The order is the server's: fields that the schema does not know are reported
and dropped, then nulls, then defaults are filled in from the top down.
"""

from __future__ import annotations

from typing import Any

from efficientnet_operator.api.schema import Schema

_TYPE_META = ("apiVersion", "kind", "metadata")


def prune_unknown(value: Any, schema: Schema | None, path: str = "") -> list[str]:
    """Drop what the schema does not know, in place, and return the paths, sorted."""
    return sorted(_prune(value, schema, path))


def _prune(value: Any, schema: Schema | None, path: str) -> list[str]:
    if schema is not None and schema.get("x-kubernetes-preserve-unknown-fields"):
        return []
    unknown: list[str] = []
    if isinstance(value, list):
        items = schema.get("items") if schema else None
        for index, item in enumerate(value):
            unknown += _prune(item, items, f"{path}[{index}]")
    elif isinstance(value, dict):
        for name in list(value):
            below = f"{path}.{name}" if path else name
            child = child_schema(schema, name)
            if not path and name in _TYPE_META:
                continue
            if child is None:
                unknown.append(below)
                del value[name]
            else:
                unknown += _prune(value[name], child, below)
    return unknown


def child_schema(schema: Schema | None, name: str) -> Schema | None:
    """Return the schema of one field or map entry, or None where the schema has none."""
    if schema is None:
        return None
    child: Schema | None = schema.get("properties", {}).get(name)
    return child if child is not None else schema.get("additionalProperties")


def drop_nulls(value: Any, schema: Schema | None) -> None:
    """Drop the nulls of known fields, in place; one inside a list stays, and is refused later."""
    if isinstance(value, list):
        for item in value:
            drop_nulls(item, schema.get("items") if schema else None)
    elif isinstance(value, dict):
        for name in list(value):
            child = child_schema(schema, name)
            if child is not None and value[name] is None:
                del value[name]
            else:
                drop_nulls(value[name], child)


def apply_defaults(value: Any, schema: Schema | None) -> None:
    """Fill in the defaults of the schema, in place; a default's own fields get theirs too."""
    if schema is None:
        return
    if isinstance(value, list):
        for item in value:
            apply_defaults(item, schema.get("items"))
    elif isinstance(value, dict):
        for name, child in schema.get("properties", {}).items():
            if name not in value and "default" in child:
                default = child["default"]
                value[name] = default.copy() if isinstance(default, (dict, list)) else default
        for name in value:
            apply_defaults(value[name], child_schema(schema, name))
