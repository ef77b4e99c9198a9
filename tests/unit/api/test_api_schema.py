"""pydantic models become schemas that a CRD can hold."""

from typing import Annotated, Literal

import pytest
from efficientnet_operator.api.base import ApiModel
from efficientnet_operator.api.crd import build_crd, build_root_schema
from efficientnet_operator.api.rules import RULES
from efficientnet_operator.api.schema import build_schema, explain
from pydantic import Field


class Inner(ApiModel):
    """An inner object."""

    size: int = 3
    """Size in pixels."""


class Outer(ApiModel):
    """An outer object."""

    whole_number: Annotated[int, Field(ge=1, le=9)]
    """Text that
    goes on."""
    rate: Annotated[float, Field(gt=0, le=10)] = 2.0
    kind: Literal["A", "B"] = "A"
    maybe: Annotated[str, Field(max_length=5)] | None = None
    inner: Inner = Inner()
    """What inner means here."""
    perhaps: Inner | None = None
    many: Annotated[list[Inner], Field(max_length=2)] = Field(default=[])


INNER_FIELDS = {"size": {"description": "Size in pixels.", "type": "integer", "default": 3}}
FIELDS = {
    "bounds, an alias and a docstring over two lines": (
        "wholeNumber",
        {"description": "Text that goes on.", "type": "integer", "minimum": 1, "maximum": 9},
    ),
    "an exclusive bound as the API server wants it": (
        "rate",
        {
            "type": "number",
            "maximum": 10,
            "minimum": 0,
            "exclusiveMinimum": True,
            "default": 2,
        },
    ),
    "an enumeration": ("kind", {"type": "string", "enum": ["A", "B"], "default": "A"}),
    "an optional value without null": ("maybe", {"type": "string", "maxLength": 5}),
    "an object inlined, with an empty default so that its own apply": (
        "inner",
        {
            "description": "What inner means here.",
            "type": "object",
            "default": {},
            "properties": INNER_FIELDS,
        },
    ),
    "an optional object has no default": (
        "perhaps",
        {"description": "An inner object.", "type": "object", "properties": INNER_FIELDS},
    ),
    "a list": (
        "many",
        {
            "type": "array",
            "maxItems": 2,
            "default": [],
            "items": {
                "description": "An inner object.",
                "type": "object",
                "properties": INNER_FIELDS,
            },
        },
    ),
}


@pytest.mark.parametrize("name, want", FIELDS.values(), ids=FIELDS)
def test_build_schema(name, want):
    assert build_schema(Outer)["properties"][name] == want


def test_only_fields_without_a_default_are_required():
    assert build_schema(Outer)["required"] == ["wholeNumber"]


def test_a_schema_can_do_without_defaults():
    assert "default" not in str(build_schema(Outer, defaults=False))


EXPLAINED = {
    "default and bounds": (
        {"description": "Size.", "type": "integer", "default": 3, "minimum": 1, "maximum": 9},
        "Size. Default: 3. Range: 1 to 9.",
    ),
    "an exclusive bound": (
        {
            "description": "Rate.",
            "type": "number",
            "minimum": 0,
            "exclusiveMinimum": True,
            "maximum": 1,
        },
        "Rate. Range: above 0 to 1.",
    ),
    "both bounds exclusive": (
        {
            "description": "Share.",
            "type": "number",
            "minimum": 0,
            "exclusiveMinimum": True,
            "maximum": 1,
            "exclusiveMaximum": True,
        },
        "Share. Range: above 0 to below 1.",
    ),
    "a boolean as in YAML": (
        {"description": "Switch.", "type": "boolean", "default": False},
        "Switch. Default: false.",
    ),
    "a parent's empty default tells nothing": (
        {"description": "Parent.", "type": "object", "default": {}},
        "Parent.",
    ),
}


@pytest.mark.parametrize("schema, want", EXPLAINED.values(), ids=EXPLAINED)
def test_explain(schema, want):
    assert explain(schema)["description"] == want


def descend(schema, path=""):
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from descend(child, f"{path}.{name}".removeprefix("."))
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from descend(schema[key], f"{path}[]")


def test_the_schema_is_structural():
    forbidden = {"$ref", "$defs", "anyOf", "oneOf", "const", "title", "prefixItems"}
    for path, schema in descend(build_root_schema()):
        assert not forbidden & set(schema), path
        assert schema.get("additionalProperties") is not False, path
        assert isinstance(schema.get("type"), str), path


def test_what_cel_looks_at_is_bounded():
    """The API server estimates a rule's cost from these bounds, and refuses the CRD without."""
    for path, schema in descend(build_root_schema()["properties"]["spec"]):
        if schema["type"] == "array":
            assert "maxItems" in schema, path
        elif schema["type"] == "string" and "enum" not in schema:
            assert "maxLength" in schema, path


def test_each_field_of_the_spec_but_run_policy_is_immutable():
    judged = {rule.field.removeprefix(".") for rule in RULES["spec"] if "oldSelf" in rule.rule}
    fields = set(build_root_schema()["properties"]["spec"]["properties"])
    assert judged == (fields - {"runPolicy"}) | {"runPolicy.managedBy"}


def test_a_field_that_can_be_absent_is_compared_only_where_it_is_there():
    spec = build_root_schema()["properties"]["spec"]
    always = {*spec["required"], *(n for n, s in spec["properties"].items() if "default" in s)}
    for rule in RULES["spec"]:
        name = rule.field.removeprefix(".").split(".")[0]
        if "oldSelf" in rule.rule and name not in always:
            assert f"has(self.{name}) == has(oldSelf.{name})" in rule.rule


def test_the_crd_is_the_same_at_each_call():
    assert build_crd() == build_crd()
