"""What the operator keeps of any child's metadata, whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from efficientnet_operator.core.identity import JOB_NAME_LABEL


class ChildMetadata(TypedDict):
    """The fields that the views of all kinds have.

    ``job_name`` is what the label says, ``owner_uid`` the controller's; "" where there is none.
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    job_name: str
    owner_uid: str


def parse_metadata(document: Mapping[str, Any]) -> ChildMetadata:
    """Return them from an object's JSON; missing parts take their empty values."""
    metadata = document.get("metadata") or {}
    return {
        "namespace": metadata.get("namespace", ""),
        "name": metadata.get("name", ""),
        "uid": metadata.get("uid", ""),
        "resource_version": metadata.get("resourceVersion", ""),
        "job_name": (metadata.get("labels") or {}).get(JOB_NAME_LABEL, ""),
        "owner_uid": find_controller(document).get("uid", ""),
    }


def find_controller(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the owner reference of an object's controller; {} where it has none."""
    owners: list[Mapping[str, Any]] = (document.get("metadata") or {}).get("ownerReferences") or []
    return next((o for o in owners if o.get("controller")), {})
