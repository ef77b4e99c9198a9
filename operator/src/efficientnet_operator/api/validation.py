"""Refuse offline what the API server would refuse, with the same words.

``efficientnet-operator explain`` calls it before it shows what a manifest
would become.  It walks the CRD itself, schema and CEL rules, so that there is
no second list of rules to keep; a test compares each word with a real server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from efficientnet_operator.api.cel import check_rules
from efficientnet_operator.api.crd import build_root_schema
from efficientnet_operator.api.defaulting import apply_defaults, drop_nulls, prune_unknown
from efficientnet_operator.api.fielderrors import NOT_CHECKED, FieldError, quote
from efficientnet_operator.api.manifests import to_json
from efficientnet_operator.api.names import API_VERSION, KIND
from efficientnet_operator.api.objectmeta import (
    check_metadata,
    find_decode_error,
    find_unknown_fields,
)
from efficientnet_operator.api.structural import check_schema


def validate(manifest: Mapping[str, Any]) -> list[str]:
    """Return what the API server would say against creating a manifest.

    Args:
        manifest: the whole object as YAML or JSON gave it; it is not changed.

    Returns:
        One line for each fault, ``field: problem`` in most cases; empty when
        the server would take the manifest.  Whether the cluster has the
        namespace, the claims or the quota, only the server can tell.
    """
    try:
        job = to_json(dict(manifest))
    except ValueError as error:
        return [f"error converting YAML to JSON: {error}"]
    fault = _find_type_fault(job) or _find_decode_fault(job)
    if fault:
        return [fault]
    errors = _check(job)
    lines = [str(error) for error in errors]
    if any(error.blocking for error in errors):
        lines.append(NOT_CHECKED)
    return list(dict.fromkeys(lines))


def describe_faults(manifest: Mapping[str, Any]) -> str:
    """Return the same for people, under a head that names the job; "" for a good manifest."""
    errors = validate(manifest)
    if not errors:
        return ""
    metadata = manifest.get("metadata")
    name = metadata.get("name", "") if isinstance(metadata, dict) else ""
    head = f'The {KIND} "{name}" is invalid:'
    return "\n".join([head, *(f"* {error}" for error in errors)])


def _find_type_fault(job: dict[str, Any]) -> str | None:
    """Return why no kind of the cluster fits, in the words of kubectl, or None."""
    missing = [name for name in ("apiVersion", "kind") if not job.get(name)]
    if missing:
        return f"error validating data: {missing[0]} not set"
    if (job["apiVersion"], job["kind"]) != (API_VERSION, KIND):
        return (
            f"no matches for kind {quote(str(job['kind']))} in version"
            f" {quote(str(job['apiVersion']))}; use kind {KIND} of {API_VERSION}"
        )
    return None


def _find_decode_fault(job: dict[str, Any]) -> str | None:
    """Drop unknown fields and status, in place; return why the object cannot be read, or None."""
    fault = find_decode_error(job.get("metadata"))
    if fault:
        return fault
    unknown = find_unknown_fields(job.get("metadata") or {})
    unknown += prune_unknown(job, build_root_schema())
    if unknown:
        return "strict decoding error: " + ", ".join(f'unknown field "{path}"' for path in unknown)
    job.pop("status", None)
    return None


def _check(job: dict[str, Any]) -> list[FieldError]:
    metadata = {key: value for key, value in (job.get("metadata") or {}).items() if value}
    job["metadata"] = metadata
    drop_nulls(job, build_root_schema())
    apply_defaults(job, build_root_schema())
    errors = [*check_metadata(metadata), *check_schema(job, build_root_schema())]
    if not any(error.blocking for error in errors):
        metadata.setdefault("name", f"{metadata.get('generateName', '')}00000")
        errors += check_rules(job, build_root_schema())
    return errors
