"""What the operator keeps of any child's metadata, whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict


class ChildMetadata(TypedDict):
    """The fields that the views of all kinds have; ``owner_uid`` is the controller's, or ""."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    labels: Mapping[str, str]
    owner_uid: str


def parse_metadata(document: Mapping[str, Any]) -> ChildMetadata:
    """Return them from an object's JSON; missing parts take their empty values."""
    metadata = document.get("metadata") or {}
    return {
        "namespace": metadata.get("namespace", ""),
        "name": metadata.get("name", ""),
        "uid": metadata.get("uid", ""),
        "resource_version": metadata.get("resourceVersion", ""),
        "labels": metadata.get("labels") or {},
        "owner_uid": find_controller(document).get("uid", ""),
    }


def find_controller(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the owner reference of an object's controller; {} where it has none."""
    owners: list[Mapping[str, Any]] = (document.get("metadata") or {}).get("ownerReferences") or []
    return next((o for o in owners if o.get("controller")), {})
