"""Errors of the API server about single fields, in its own words.

``validation`` finds the faults; this module knows how the server, written in
Go, prints them (k8s.io/apimachinery ``field.Error``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

NOT_CHECKED: Final = (
    "<nil>: Invalid value: null: some validation rules were not checked because the object was"
    " invalid; correct the existing errors to complete validation"
)
"""What the server adds when it did not get as far as the CEL rules."""


@dataclass(frozen=True)
class FieldError:
    """One fault of one field.

    ``blocking`` errors keep the server from evaluating the CEL rules.
    """

    field: str
    body: str
    blocking: bool = False

    def __str__(self) -> str:
        return f"{self.field}: {self.body}"


def invalid(field: str, value: object, detail: str) -> FieldError:
    """Return the error for a value that is malformed or out of bounds."""
    return FieldError(field, f"Invalid value: {format_value(value)}: {detail}")


def invalid_object(field: str, detail: str) -> FieldError:
    """Return the error of a CEL rule, which leaves out the object it judged."""
    return FieldError(field, f"Invalid value: {detail}")


def forbidden(field: str, detail: str) -> FieldError:
    """Return the error for what is never allowed here."""
    return FieldError(field, f"Forbidden: {detail}")


def required(field: str, detail: str = "") -> FieldError:
    """Return the error for a missing value."""
    return FieldError(field, f"Required value: {detail}" if detail else "Required value", True)


def not_supported(field: str, value: object, supported: list[object]) -> FieldError:
    """Return the error for a value outside an enumeration."""
    known = ", ".join(quote(str(choice)) for choice in supported)
    body = f"Unsupported value: {format_value(value)}: supported values: {known}"
    return FieldError(field, body, True)


def wrong_type(field: str, wanted: str, found: str) -> FieldError:
    """Return the error for a value of the wrong JSON type."""
    body = f'Invalid value: "{found}": {field} in body must be of type {wanted}: "{found}"'
    return FieldError(field, body, True)


def too_long(field: str, limit: int) -> FieldError:
    """Return the error for a text above its limit; the server calls characters bytes."""
    return FieldError(field, f"Too long: may not be more than {_count(limit, 'byte')}", True)


def too_many(field: str, found: int, limit: int) -> FieldError:
    """Return the error for a list or map with too many entries."""
    return FieldError(field, f"Too many: {found}: must have at most {_count(limit, 'item')}", True)


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def format_value(value: object) -> str:
    """Return a JSON value as the server prints the culprit."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, float):
        return format_float(value)
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def format_float(value: float) -> str:
    """Return a number as Go's ``%v``: shortest digits, an exponent below 1e-4 and from 1e6 on."""
    digits = Decimal(repr(value)).normalize()
    exponent = digits.adjusted()
    if value == 0 or -4 <= exponent < 6:
        return f"{digits:f}"
    mantissa = f"{digits.scaleb(-exponent):f}"
    return f"{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


_ESCAPES: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def quote(text: str) -> str:
    """Return a text as Go's ``%q``: in double quotes, with its unprintable characters escaped."""
    return '"' + "".join(_escape(character) for character in text) + '"'


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
