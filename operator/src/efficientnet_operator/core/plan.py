"""What one reconciliation decides: a value that ``execute`` carries out in a fixed order.

Status first where the attempt or a terminal state changes (it must be known
before anything is done about it) or anything is made or deleted (which only
the newest view may decide), then deletes, creates, updates and patches, other
status; events follow the status that they tell of; reports; last, the job itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from efficientnet_operator.core.resources import POD, Resource


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete one child, known by its UID so that a successor of its name is never hit."""

    name: str
    uid: str
    grace_s: int | None = None
    resource: Resource = POD


@dataclass(frozen=True, slots=True)
class Patch:
    """Merge-patch one child's metadata or data."""

    resource: Resource
    name: str
    body: dict[str, Any]
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """A Kubernetes event on the job."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do for one job now.

    Attributes:
        status: the whole status to apply; None where it is as it should be.
        status_first: write it before anything else, and do nothing else if that fails.
        deletes: children to delete.
        creates: objects to create, in order of kinds: those before the pods come first.
        pods: pods to create, in parallel, after ``creates``.
        patches: in order; the ConfigMap's stands before the nudges that refresh it.
        events: transitions to tell of.
        reports: patches of what others read of the job; after all that the job itself needs.
        requeue_s: look again after so many seconds even if nothing happens.
        poll_progress: ask rank 0 how far it is.
        ask_all: ask every rank how far it is.
        delete_job: delete the job itself, and with it all that it owns.
        waits_for: in words, what has to happen next.
    """

    status: dict[str, Any] | None = None
    status_first: bool = False
    deletes: tuple[Delete, ...] = ()
    creates: tuple[dict[str, Any], ...] = ()
    pods: tuple[dict[str, Any], ...] = ()
    patches: tuple[Patch, ...] = ()
    events: tuple[Event, ...] = ()
    reports: tuple[Patch, ...] = ()
    requeue_s: float | None = None
    poll_progress: bool = False
    ask_all: bool = False
    delete_job: bool = False
    waits_for: str = field(default="", compare=False)
