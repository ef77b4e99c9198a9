"""Check metadata with the words of the API server, which knows it without any schema.

Covers what people write: names, labels, annotations, and their JSON types.
Owner references and managed fields, which programs write, go unchecked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import re2

from efficientnet_operator.api.fielderrors import FieldError, invalid, required, too_long
from efficientnet_operator.api.structural import json_type

_TEXT: Final = "string"
_TEXT_MAP: Final = "map[string]string"
_TEXT_LIST: Final = "[]string"
_NUMBER: Final = "int64"

_FIELDS: Final[dict[str, str]] = {
    "annotations": _TEXT_MAP,
    "creationTimestamp": "",
    "deletionGracePeriodSeconds": _NUMBER,
    "deletionTimestamp": "",
    "finalizers": _TEXT_LIST,
    "generateName": _TEXT,
    "generation": _NUMBER,
    "labels": _TEXT_MAP,
    "managedFields": "",
    "name": _TEXT,
    "namespace": _TEXT,
    "ownerReferences": "",
    "resourceVersion": _TEXT,
    "selfLink": _TEXT,
    "uid": "types.UID",
}
"""Fields of ObjectMeta by their Go type; '' is not checked."""

_ANNOTATIONS_LIMIT_BYTES: Final = 262144
_NAME_LIMIT: Final = 253
_LABEL_LIMIT_BYTES: Final = 63

_SUBDOMAIN: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_LABEL_KEY: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE: Final = f"({_LABEL_KEY})?"

_SUBDOMAIN_TEXT: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or"
    " '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used"
    f" for validation is '{_SUBDOMAIN}')"
)
_LABEL_KEY_TEXT: Final = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an"
    " alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for"
    f" validation is '{_LABEL_KEY}')"
)
_LABEL_VALUE_TEXT: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or"
    " '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or"
    f" 'my_value',  or '12345', regex used for validation is '{_LABEL_VALUE}')"
)


def find_decode_error(metadata: object) -> str | None:
    """Return why metadata cannot be read at all, or None; the server stops at the first fault."""
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        return f"json: cannot unmarshal {_go_kind(metadata)} into Go value of type v1.ObjectMeta"
    for name in sorted(metadata):
        fault = _field_fault(metadata[name], _FIELDS.get(name, ""))
        if fault:
            kind, wanted = fault
            return (
                f"json: cannot unmarshal {kind} into Go struct field ObjectMeta.{name} of type"
                f" {wanted}"
            )
    return None


def _field_fault(value: object, wanted: str) -> tuple[str, str] | None:
    """Return the kind that was found and the Go type that was wanted, or None."""
    if value is None or not wanted:
        return None
    if wanted in (_TEXT_MAP, _TEXT_LIST):
        if not isinstance(value, dict if wanted == _TEXT_MAP else list):
            return _go_kind(value), wanted
        entries = value.values() if isinstance(value, dict) else value
        return next(filter(None, (_field_fault(entry, _TEXT) for entry in entries)), None)
    fits = isinstance(value, int) if wanted == _NUMBER else isinstance(value, str)
    return None if fits and not isinstance(value, bool) else (_go_kind(value), wanted)


def _go_kind(value: object) -> str:
    return {"boolean": "bool", "integer": "number"}.get(json_type(value), json_type(value))


def find_unknown_fields(metadata: dict[str, Any]) -> list[str]:
    """Return the paths of fields that metadata does not have."""
    return [f"metadata.{name}" for name in sorted(metadata) if name not in _FIELDS]


def check_metadata(metadata: dict[str, Any]) -> Iterator[FieldError]:
    """Yield the errors of metadata that could be read."""
    name = metadata.get("name")
    if not name:
        if not metadata.get("generateName"):
            yield required("metadata.name", "name or generateName is required")
    else:
        for message in _subdomain_faults(name, f"{_NAME_LIMIT} characters"):
            yield invalid("metadata.name", name, message)
    for key, value in (metadata.get("labels") or {}).items():
        for message in _label_key_faults(key):
            yield invalid("metadata.labels", key, message)
        for message in _label_value_faults(value or ""):
            yield invalid("metadata.labels", value, message)
    yield from _check_annotations(metadata.get("annotations") or {})


def _check_annotations(annotations: dict[str, str | None]) -> Iterator[FieldError]:
    for key in annotations:
        for message in _label_key_faults(key.lower()):
            yield invalid("metadata.annotations", key, message)
    size = sum(_size(key) + _size(value or "") for key, value in annotations.items())
    if size > _ANNOTATIONS_LIMIT_BYTES:
        yield too_long("metadata.annotations", _ANNOTATIONS_LIMIT_BYTES)


def _subdomain_faults(text: str, limit: str) -> Iterator[str]:
    if _size(text) > _NAME_LIMIT:
        yield f"must be no more than {limit}"
    if not re2.fullmatch(_SUBDOMAIN, text):
        yield _SUBDOMAIN_TEXT


def _label_key_faults(key: str) -> Iterator[str]:
    parts = key.split("/")
    if len(parts) > 2:
        yield (
            f"a valid label key {_LABEL_KEY_TEXT} with an optional DNS subdomain prefix and '/'"
            " (e.g. 'example.com/MyName')"
        )
        return
    if len(parts) == 2 and not parts[0]:
        yield "prefix part must be non-empty"
    elif len(parts) == 2:
        for message in _subdomain_faults(parts[0], f"{_NAME_LIMIT} bytes"):
            yield f"prefix part {message}"
    name = parts[-1]
    if not name:
        yield "name part must be non-empty"
    elif _size(name) > _LABEL_LIMIT_BYTES:
        yield f"name part must be no more than {_LABEL_LIMIT_BYTES} bytes"
    if not re2.fullmatch(_LABEL_KEY, name):
        yield f"name part {_LABEL_KEY_TEXT}"


def _label_value_faults(value: str) -> Iterator[str]:
    if _size(value) > _LABEL_LIMIT_BYTES:
        yield f"must be no more than {_LABEL_LIMIT_BYTES} bytes"
    if not re2.fullmatch(_LABEL_VALUE, value):
        yield _LABEL_VALUE_TEXT


def _size(text: str) -> int:
    return len(text.encode())
