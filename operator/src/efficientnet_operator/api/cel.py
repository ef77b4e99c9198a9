"""Evaluate the CRD's CEL rules on a manifest, as the API server does at creation.

Only the functions and types that the rules use are looked after; the test
against a real server holds this to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import celpy
from celpy import celtypes
from celpy.adapter import json_to_cel

from efficientnet_operator.api.defaulting import child_schema
from efficientnet_operator.api.fielderrors import FieldError, forbidden, invalid_object
from efficientnet_operator.api.schema import Schema

_MESSAGE_LIMIT_BYTES = 5120
_ENVIRONMENT = celpy.Environment()


def check_rules(value: Any, schema: Schema, path: str = "") -> Iterator[FieldError]:
    """Yield the errors of the rules on one value and on all below it, parents first.

    Args:
        value: with all defaults filled in; the rules count on them.
        schema: its x-kubernetes-validations are evaluated, those with oldSelf
            excepted: at creation there is no old object.
        path: of the value, from the root.
    """
    rules = schema.get("x-kubernetes-validations", ())
    if rules:
        context = {"self": json_to_cel(value)}
        for rule in rules:
            if "oldSelf" not in rule["rule"] and not _program(rule["rule"]).evaluate(context):
                yield _explain(rule, context, path)
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from check_rules(item, schema.get("items", {}), f"{path}[{index}]")
    elif isinstance(value, dict):
        for name, item in value.items():
            child = child_schema(schema, name)
            if child is not None:
                yield from check_rules(item, child, f"{path}.{name}".removeprefix("."))


def _explain(rule: dict[str, str], context: dict[str, Any], path: str) -> FieldError:
    detail = ""
    if "messageExpression" in rule:
        detail = str(_program(rule["messageExpression"]).evaluate(context))
        if "\n" in detail or len(detail.encode()) > _MESSAGE_LIMIT_BYTES:
            detail = ""
    detail = detail or rule.get("message") or f"failed rule: {rule['rule']}"
    field = f"{path}{rule.get('fieldPath', '')}".removeprefix(".")
    report = forbidden if rule.get("reason") == "FieldValueForbidden" else invalid_object
    return report(field, detail)


def _format(template: celtypes.StringType, values: celtypes.ListType) -> celtypes.StringType:
    """Stand in for Kubernetes' string function ``format``, which cel-python lacks; %s alone."""
    return celtypes.StringType(str(template) % tuple(str(value) for value in values))


@cache
def _program(expression: str) -> celpy.Runner:
    program = _ENVIRONMENT.compile(expression)
    return _ENVIRONMENT.program(program, functions={"format": _format})
