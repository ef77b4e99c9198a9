"""Manifests are read as kubectl reads them."""

import pytest
from efficientnet_operator.api.manifests import load_manifest, to_json

# What kubectl 1.37 made of the same scalars.
SCALARS = {
    "1e-5": 1e-5,
    "1e2": 100,
    ".5": 0.5,
    "8.0": 8,
    "-3": -3,
    "+5": 5,
    "1_000": 1000,
    "010": 8,
    "0o10": 8,
    "0x10": 16,
    "0b1": 1,
    "1:30": "1:30",
    "2026-01-01": "2026-01-01",
    "1.0.2": "1.0.2",
    "1e-": "1e-",
    "yes": True,
    "off": False,
    "y": True,
    "'1.0'": "1.0",
    "~": None,
    "b0": "b0",
}


@pytest.mark.parametrize("text, want", SCALARS.items(), ids=SCALARS)
def test_scalars(text, want):
    found = to_json(load_manifest(f"key: {text}"))["key"]
    assert (found, type(found)) == (want, type(want))


def test_json_and_merge_keys_are_yaml():
    assert load_manifest('{"a": [1, {"b": null}]}') == {"a": [1, {"b": None}]}
    assert load_manifest("{x: &x {a: 1}, z: {<<: *x}}")["z"] == {"a": 1}


REFUSED = {
    "nothing": ("", "holds nothing; want one object"),
    "a list": ("[1]", "holds a list; want one object"),
    "two documents": ("kind: Pod\n---\nb: 1\n", "holds Pod, a dict; want one object"),
    "no YAML": ("a: [", "error converting YAML to JSON"),
    "a tag that would run code": ("!!python/name:os.system", "error converting YAML to JSON"),
}


@pytest.mark.parametrize("text, want", REFUSED.values(), ids=REFUSED)
def test_refuses(text, want):
    with pytest.raises(ValueError, match=want):
        load_manifest(text)


@pytest.mark.parametrize("text, name", [(".nan", "NaN"), (".inf", "[+]Inf"), ("-.inf", "-Inf")])
def test_json_has_no_infinity(text, name):
    with pytest.raises(ValueError, match=f"json: unsupported value: {name}"):
        to_json(load_manifest(f"key: {text}"))


def test_integers_beyond_64_bits_are_floats():
    assert type(to_json({"n": 2**63})["n"]) is float
    assert type(to_json({"n": 2**63 - 1})["n"]) is int
