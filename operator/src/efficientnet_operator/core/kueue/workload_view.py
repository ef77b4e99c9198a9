"""What the operator keeps of a Workload and of a ResourceFlavor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from efficientnet_operator.core.metadata import parse_metadata
from efficientnet_operator.core.resources import Resource
from efficientnet_operator.core.shapes import mapping, objects, words

POD_SET = "main"
"""All pods of a job are alike, so there is one set of them."""

Condition = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WorkloadView:
    """One Workload of some job.

    Attributes:
        resource: the version of the API in which it was read.
        deleting: it is on its way out; its name is still taken.
        active: false where somebody took it out of its queue (``spec.active``).
        reserved: it holds quota (``status.admission``).
        cluster_queue: of whose quota.
        conditions: by type, as stored.
        flavors: names of the ResourceFlavors that its pods were given, sorted.
        updates: what admission checks add to its pods.
        checks: admission checks that are not Ready yet, with their words.
    """

    resource: Resource
    namespace: str
    name: str
    uid: str
    resource_version: str = ""
    owner_uid: str = ""
    deleting: bool = False
    queue: str = ""
    active: bool = True
    reserved: bool = False
    cluster_queue: str = ""
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    flavors: tuple[str, ...] = ()
    updates: tuple[Mapping[str, Any], ...] = ()
    checks: tuple[str, ...] = ()
    job_name: str = ""

    def is_true(self, kind: str) -> bool:
        """Tell whether a condition is True."""
        return self.conditions.get(kind, {}).get("status") == "True"

    def words(self, kind: str) -> str:
        """Return a condition's message; "" without one."""
        return words(self.conditions.get(kind, {}).get("message"))


@dataclass(frozen=True, slots=True)
class Flavor:
    """What a ResourceFlavor asks of the pods that use its quota."""

    node_labels: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Queueing:
    """What is known of a job at Kueue.

    Attributes:
        workload: its Workload; None where there is none.
        flavors: those of the Workload that could be read, by name.
        flavor_source: why others could not; "" where all could.
    """

    workload: WorkloadView | None = None
    flavors: Mapping[str, Flavor] = field(default_factory=dict)
    flavor_source: str = ""


def workload_parser(resource: Resource) -> Callable[[Mapping[str, Any]], WorkloadView]:
    """Return what makes views of the Workloads of one version of the API."""
    return partial(parse_workload, resource)


def parse_workload(resource: Resource, workload: Mapping[str, Any]) -> WorkloadView:
    """Return the view of a Workload's JSON; what has another shape than expected is left out."""
    spec, status = mapping(workload.get("spec")), mapping(workload.get("status"))
    admission = mapping(status.get("admission"))
    checks = objects(status.get("admissionChecks"))
    return WorkloadView(
        resource=resource,
        **parse_metadata(workload),
        deleting="deletionTimestamp" in (workload.get("metadata") or {}),
        queue=str(spec.get("queueName") or ""),
        active=spec.get("active") is not False,
        reserved=bool(admission),
        cluster_queue=str(admission.get("clusterQueue") or ""),
        conditions={str(c.get("type")): c for c in objects(status.get("conditions"))},
        flavors=_flavors_of(admission),
        updates=tuple(u for c in checks for u in _ours(c.get("podSetUpdates"))),
        checks=tuple(
            f"admission check {c.get('name')} is {c.get('state')}: {words(c.get('message'))}"
            for c in checks
            if c.get("state") != "Ready"
        ),
    )


def parse_flavor(flavor: Mapping[str, Any]) -> Flavor:
    """Return what a ResourceFlavor's JSON asks of pods."""
    spec = mapping(flavor.get("spec"))
    labels = {str(k): str(v) for k, v in mapping(spec.get("nodeLabels")).items()}
    return Flavor(labels, tuple(objects(spec.get("tolerations"))))


def parse_named_flavor(flavor: Mapping[str, Any]) -> tuple[str, Flavor]:
    """Return a ResourceFlavor's name and what it asks of pods."""
    return parse_metadata(flavor)["name"], parse_flavor(flavor)


def _flavors_of(admission: Mapping[str, Any]) -> tuple[str, ...]:
    names = {
        name
        for assignment in _ours(admission.get("podSetAssignments"))
        for name in mapping(assignment.get("flavors")).values()
        if isinstance(name, str)
    }
    return tuple(sorted(names))


def _ours(items: Any) -> list[Mapping[str, Any]]:
    return [i for i in objects(items) if i.get("name", POD_SET) == POD_SET]
