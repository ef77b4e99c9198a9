"""Manifests are completed as the API server completes them."""

import pytest
from efficientnet_operator.api.defaulting import apply_defaults, drop_nulls, prune_unknown

SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer", "default": 3},
                "parent": {
                    "type": "object",
                    "default": {},
                    "properties": {"child": {"type": "string", "default": "c"}},
                },
                "optional": {
                    "type": "object",
                    "properties": {"child": {"type": "string", "default": "c"}},
                },
                "items": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"a": {"type": "integer", "default": 1}},
                    },
                },
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        }
    },
}

DEFAULTS = {
    "parents bring their children's": ({}, {"size": 3, "parent": {"child": "c"}}),
    "what is set stays": (
        {"size": 0, "parent": {"child": ""}},
        {"size": 0, "parent": {"child": ""}},
    ),
    "an optional object that is there": (
        {"optional": {}},
        {"optional": {"child": "c"}, "size": 3, "parent": {"child": "c"}},
    ),
    "inside lists": (
        {"items": [{}, {"a": 2}]},
        {"items": [{"a": 1}, {"a": 2}], "size": 3, "parent": {"child": "c"}},
    ),
}


@pytest.mark.parametrize("spec, want", DEFAULTS.values(), ids=DEFAULTS)
def test_apply_defaults(spec, want):
    manifest = {"spec": spec}
    apply_defaults(manifest, SCHEMA)
    assert manifest == {"spec": want}


def test_defaults_are_not_shared():
    first, second = {"spec": {}}, {"spec": {}}
    apply_defaults(first, SCHEMA)
    apply_defaults(second, SCHEMA)
    first["spec"]["parent"]["child"] = "changed"
    assert second["spec"]["parent"] == {"child": "c"}


UNKNOWN = {
    "at the root": ({"foo": 1}, ["foo"]),
    "sorted": ({"spec": {"z": 1, "a": 1}}, ["spec.a", "spec.z"]),
    "in a list": ({"spec": {"items": [{}, {"b": 1}]}}, ["spec.items[1].b"]),
    "below a scalar": ({"spec": {"size": {"b": 1}}}, ["spec.size.b"]),
    "labels have any name": ({"spec": {"labels": {"b": "1"}}}, []),
    "free-form objects know all": ({"spec": {"free": {"b": {"c": 1}}}}, []),
    "apiVersion, kind and metadata are the server's": (
        {"apiVersion": "v", "kind": "k", "metadata": {"foo": 1}},
        [],
    ),
}


@pytest.mark.parametrize("manifest, want", UNKNOWN.values(), ids=UNKNOWN)
def test_prune_unknown(manifest, want):
    assert prune_unknown(manifest, SCHEMA) == want
    assert prune_unknown(manifest, SCHEMA) == []


def test_nulls_go_but_from_lists_and_free_form_objects():
    manifest = {
        "spec": {"size": None, "items": [None], "labels": {"a": None}, "free": {"b": None}}
    }
    drop_nulls(manifest, SCHEMA)
    assert manifest == {"spec": {"items": [None], "labels": {}, "free": {"b": None}}}
