"""What the cache keeps of a PodGroup: that it exists, and whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from efficientnet_operator.core.identity import JOB_NAME_LABEL


@dataclass(frozen=True, slots=True)
class GroupView:
    """One PodGroup of some job."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    owner_uid: str = ""
    deleting: bool = False
    job_name: str = ""


def parse_group(group: Mapping[str, Any]) -> GroupView:
    """Return the view of a PodGroup's JSON."""
    metadata = group.get("metadata") or {}
    owners = [o for o in metadata.get("ownerReferences") or [] if o.get("controller")]
    return GroupView(
        namespace=metadata.get("namespace", ""),
        name=metadata.get("name", ""),
        uid=metadata.get("uid", ""),
        resource_version=metadata.get("resourceVersion", ""),
        owner_uid=owners[0].get("uid", "") if owners else "",
        deleting="deletionTimestamp" in metadata,
        job_name=(metadata.get("labels") or {}).get(JOB_NAME_LABEL, ""),
    )
