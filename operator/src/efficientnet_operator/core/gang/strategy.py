"""What one way of starting pods together consists of: a value for each ``scheduling.gang``.

A strategy adds at most one object that stands before the pods, and what each
pod says of it.  What is the same for all of them (names, owners, versions, the
order of things) is done once, in the package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from efficientnet_operator.api.spec import EfficientNetJobSpec
from efficientnet_operator.core.gang.group_view import GroupView
from efficientnet_operator.core.identity import JobRef, pod_group_name
from efficientnet_operator.core.resources import Resource


@dataclass(frozen=True, slots=True)
class Attempt:
    """The attempt that a gang is built for."""

    job: JobRef
    spec: EfficientNetJobSpec
    number: int

    @property
    def group_name(self) -> str:
        """Name of its PodGroup."""
        return pod_group_name(self.job, self.number)


def add_nothing(attempt: Attempt) -> dict[str, Any]:
    """Return no change of a pod."""
    return {}


def inspect_nothing(attempt: Attempt) -> bool:
    """Create the pods together with their group."""
    return False


def start_at_once(group: GroupView) -> bool:
    """Let pods be created as soon as their group stands."""
    return True


def say_nothing(group: GroupView) -> str:
    """Return no words: the pods' own conditions say it all."""
    return ""


def find_nothing(attempt: Attempt, group: GroupView) -> str:
    """Return no flaw."""
    return ""


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way to start pods together.

    Attributes:
        resources: where its PodGroup lives, the version to prefer first; () where it has none.
        remedy: what to install or enable where none of them is served.
        build_spec: the PodGroup's spec for an attempt, in the given version.
        build_pod_patch: a partial pod, merged into each trainer pod.
        inspects: whether the stored group is looked at before pods are created.
        may_start: whether pods may be created by what the group says.
        explain: why the gang does not start, in the scheduler's words; "" where it says nothing.
        find_flaw: why a stored group will not do what was asked; "" where it will.
        hints: part of the API server's words to what may be done about them.
    """

    resources: tuple[Resource, ...] = ()
    remedy: str = ""
    build_spec: Callable[[Attempt, Resource], dict[str, Any]] | None = None
    build_pod_patch: Callable[[Attempt], dict[str, Any]] = add_nothing
    inspects: Callable[[Attempt], bool] = inspect_nothing
    may_start: Callable[[GroupView], bool] = start_at_once
    explain: Callable[[GroupView], str] = say_nothing
    find_flaw: Callable[[Attempt, GroupView], str] = find_nothing
    hints: Mapping[str, str] = field(default_factory=dict)
