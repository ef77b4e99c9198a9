"""What the operator keeps of a PodGroup, of whichever scheduler: whose it is, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from efficientnet_operator.core.metadata import parse_metadata
from efficientnet_operator.core.pod_view import parse_time
from efficientnet_operator.core.resources import Resource, resource_of
from efficientnet_operator.core.shapes import mapping, objects, words


@dataclass(frozen=True, slots=True)
class GroupCondition:
    """One condition that a scheduler set on a PodGroup."""

    type: str
    status: str
    message: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class GroupView:
    """One PodGroup of some job.

    Attributes:
        resource: whose API it lives in.
        deleting: it is on its way out; its name is still taken.
        phase: the one word of schedulers that keep one; "" of others.
        constrained: the API server kept its ``schedulingConstraints``.
    """

    resource: Resource
    namespace: str
    name: str
    uid: str
    resource_version: str = ""
    owner_uid: str = ""
    deleting: bool = False
    created: datetime | None = None
    phase: str = ""
    conditions: tuple[GroupCondition, ...] = ()
    constrained: bool = False
    job_name: str = ""

    def newest(self, kind: str, status: str) -> str:
        """Return the message of the newest condition of a type and status; "" without one."""
        found = [c for c in self.conditions if (c.type, c.status) == (kind, status)]
        dated = sorted(found, key=lambda c: c.since.timestamp() if c.since else 0.0)
        return dated[-1].message if dated else ""


def group_parser(resource: Resource) -> Callable[[Mapping[str, Any]], GroupView]:
    """Return what makes views of the PodGroups of one API."""
    return partial(parse_group, resource)


def parse_group(resource: Resource, group: Mapping[str, Any]) -> GroupView:
    """Return the view of a PodGroup's JSON; what has another shape than expected is left out."""
    metadata = group.get("metadata") or {}
    spec, status = mapping(group.get("spec")), mapping(group.get("status"))
    return GroupView(
        resource=resource,
        **parse_metadata(group),
        deleting="deletionTimestamp" in metadata,
        created=parse_time(metadata.get("creationTimestamp")),
        phase=words(status.get("phase")),
        conditions=tuple(_parse_condition(c) for c in objects(status.get("conditions"))),
        constrained=bool(spec.get("schedulingConstraints")),
    )


def let_in(group: Mapping[str, Any]) -> GroupView:
    """Return the view of a PodGroup that was just built, as if its scheduler had admitted it."""
    return parse_group(resource_of(group), {**group, "status": {"phase": "Inqueue"}})


def _parse_condition(condition: Mapping[str, Any]) -> GroupCondition:
    kind, status, message = (words(condition.get(k)) for k in ("type", "status", "message"))
    since = condition.get("lastTransitionTime")
    moment = parse_time(since) if isinstance(since, str) else None
    return GroupCondition(kind, status, message, moment)
