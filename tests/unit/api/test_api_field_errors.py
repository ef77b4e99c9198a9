"""Values and errors printed as Go prints them."""

import pytest
from efficientnet_operator.api.fielderrors import (
    format_value,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
    wrong_type,
)

# As printed by fmt.Printf("%v") and ("%q") of Go 1.26.
VALUES = {
    "an integer": (12, "12"),
    "a fraction": (0.016, "0.016"),
    "a whole float": (100000.0, "100000"),
    "seven digits take an exponent": (1234567.0, "1.234567e+06"),
    "a bound as a float": (16777216.0, "1.6777216e+07"),
    "a small float": (0.0001, "0.0001"),
    "a smaller float": (-1.5e-7, "-1.5e-07"),
    "zero": (0.0, "0"),
    "true": (True, "true"),
    "null": (None, "null"),
    "text": ("é😀", '"é😀"'),
    "text to escape": ('a"\\\n\x01\x7f\u00a0\u2028', r'"a\"\\\n\x01\x7f\u00a0\u2028"'),
    "JSON, sorted and safe for HTML": (
        {"b": [1], "a": "<&>"},
        r'{"a":"\u003c\u0026\u003e","b":[1]}',
    ),
}


@pytest.mark.parametrize("value, want", VALUES.values(), ids=VALUES)
def test_format_value(value, want):
    assert format_value(value) == want


ERRORS = {
    "invalid": (invalid("spec.x", "a", "no good"), 'spec.x: Invalid value: "a": no good', False),
    "required": (required("spec.x"), "spec.x: Required value", True),
    "required, with advice": (required("x", "set it"), "x: Required value: set it", True),
    "not supported": (
        not_supported("x", 3, [1, "B"]),
        'x: Unsupported value: 3: supported values: "1", "B"',
        True,
    ),
    "wrong type": (
        wrong_type("x", "integer", "string"),
        'x: Invalid value: "string": x in body must be of type integer: "string"',
        True,
    ),
    "too long": (too_long("x", 1), "x: Too long: may not be more than 1 byte", True),
    "too many": (too_many("x", 3, 2), "x: Too many: 3: must have at most 2 items", True),
}


@pytest.mark.parametrize("error, text, blocking", ERRORS.values(), ids=ERRORS)
def test_errors(error, text, blocking):
    assert (str(error), error.blocking) == (text, blocking)
