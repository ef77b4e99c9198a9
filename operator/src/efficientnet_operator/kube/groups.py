"""What the cache keeps of a PodGroup: that it exists, and whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from efficientnet_operator.core.metadata import parse_metadata


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
    deleting = "deletionTimestamp" in (group.get("metadata") or {})
    return GroupView(**parse_metadata(group), deleting=deleting)
