"""Check values against a structural schema with the findings and words of the API server.

Follows k8s.io/kube-openapi/pkg/validation/validate: which checks run depends
on the value's own type, so that one wrong value can earn several errors.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import re2

from efficientnet_operator.api.defaulting import child_schema
from efficientnet_operator.api.fielderrors import (
    FieldError,
    format_value,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
    wrong_type,
)
from efficientnet_operator.api.schema import Schema

_JSON_TYPES = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
_BOUNDS = {"maximum": (operator.lt, "less than"), "minimum": (operator.gt, "greater than")}


def check_schema(value: Any, schema: Schema, path: str = "") -> Iterator[FieldError]:
    """Yield the errors of one value and of all below it, parents first."""
    found = json_type(value)
    wanted = schema.get("type", found)
    if found != wanted and not (found == "integer" and wanted == "number"):
        yield wrong_type(path, wanted, found)
    if value is None:
        return
    if isinstance(value, str):
        yield from _check_text(value, schema, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _check_number(value, schema, path)
    elif isinstance(value, list):
        yield from _check_list(value, schema, path)
    if "enum" in schema and not _in_enum(value, schema["enum"]):
        yield not_supported(path, value, schema["enum"])
    if isinstance(value, dict):
        yield from _check_object(value, schema, path)


def json_type(value: object) -> str:
    """Return the name of a value's JSON type."""
    return _JSON_TYPES[type(value)]


def _in_enum(value: object, choices: list[object]) -> bool:
    # The server converts before it compares, which truncates numbers.
    if isinstance(value, float):
        value = int(value)
    return any(value == choice and type(value) is type(choice) for choice in choices)


def _check_text(value: str, schema: Schema, path: str) -> Iterator[FieldError]:
    if len(value) > schema.get("maxLength", len(value)):
        yield too_long(path, schema["maxLength"])
    elif len(value) < schema.get("minLength", 0):
        detail = f"{path} in body should be at least {schema['minLength']} chars long"
        yield invalid(path, value, detail)
    elif "pattern" in schema and not re2.search(schema["pattern"], value):
        yield invalid(path, value, f"{path} in body should match '{schema['pattern']}'")


def _check_number(value: float, schema: Schema, path: str) -> Iterator[FieldError]:
    if isinstance(value, float) and schema.get("type") == "integer":
        detail = f"Checked value must be of type integer (default format) in {path}"
        yield invalid("<nil>", "", detail)
    # The server compares, and prints, a bound in the type of the value.
    as_number = float if isinstance(value, float) else int
    for bound, (is_within, words) in _BOUNDS.items():
        if bound not in schema:
            continue
        limit = as_number(schema[bound])
        may_equal = not schema.get(f"exclusive{bound.capitalize()}")
        if not (is_within(value, limit) or (may_equal and value == limit)):
            wanted = f"{words} or equal to" if may_equal else words
            detail = f"{path} in body should be {wanted} {format_value(limit)}"
            yield invalid(path, value, detail)


def _check_list(value: list[Any], schema: Schema, path: str) -> Iterator[FieldError]:
    for index, item in enumerate(value):
        yield from check_schema(item, schema.get("items", {}), f"{path}[{index}]")
    if len(value) < schema.get("minItems", 0):
        detail = f"{path} in body should have at least {schema['minItems']} items"
        yield invalid(path, len(value), detail)
    if len(value) > schema.get("maxItems", len(value)):
        yield too_many(path, len(value), schema["maxItems"])


def _check_object(value: dict[str, Any], schema: Schema, path: str) -> Iterator[FieldError]:
    if len(value) < schema.get("minProperties", 0):
        detail = f"{path} in body should have at least {schema['minProperties']} properties"
        yield invalid(path, len(value), detail)
    if len(value) > schema.get("maxProperties", len(value)):
        yield too_many(path, len(value), schema["maxProperties"])
    for name in (name for name in schema.get("required", ()) if name not in value):
        yield required(f"{path}.{name}".removeprefix("."))
    for name, item in value.items():
        child = child_schema(schema, name)
        if child is not None:
            yield from check_schema(item, child, f"{path}.{name}".removeprefix("."))
