"""Where objects live in the API: group and version, kind, and the path that follows from them.

One description for everything that is read or written.  Paths, caches, creates
and deletes derive from it, so that a further kind, or a further version of a
kind, is a further line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from efficientnet_operator.api.names import API_VERSION, KIND, PLURAL


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of objects in one version of its API.

    Attributes:
        api_version: group and version as objects carry it; ``v1`` is the core group.
        kind: the kind of one object.
        plural: its name in paths.
    """

    api_version: str
    kind: str
    plural: str

    @property
    def group(self) -> str:
        """The API group; "" is the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def full_name(self) -> str:
        """The name that kubectl takes where several groups have the kind."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the path of one object, or of all; "" as namespace is all of them."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"
        scope = f"namespaces/{namespace}" if namespace else ""
        return "/".join(p for p in (root, scope, self.plural, name, subresource) if p)


POD = Resource("v1", "Pod", "pods")
CONFIG_MAP = Resource("v1", "ConfigMap", "configmaps")
EVENT = Resource("v1", "Event", "events")
NODE = Resource("v1", "Node", "nodes")
LEASE = Resource("coordination.k8s.io/v1", "Lease", "leases")
JOB = Resource(API_VERSION, KIND, PLURAL)

NATIVE_GROUPS = (
    Resource("scheduling.k8s.io/v1beta1", "PodGroup", "podgroups"),
    Resource("scheduling.k8s.io/v1alpha2", "PodGroup", "podgroups"),
)
"""Kubernetes' own: of 1.37, and of 1.36."""
VOLCANO_GROUP = Resource("scheduling.volcano.sh/v1beta1", "PodGroup", "podgroups")
COSCHEDULING_GROUP = Resource("scheduling.x-k8s.io/v1alpha1", "PodGroup", "podgroups")
POD_GROUPS = (*NATIVE_GROUPS, VOLCANO_GROUP, COSCHEDULING_GROUP)

WORKLOADS = (
    Resource("kueue.x-k8s.io/v1beta2", "Workload", "workloads"),
    Resource("kueue.x-k8s.io/v1beta1", "Workload", "workloads"),
)
"""Kueue's, newest first."""


def flavor_of(workload: Resource) -> Resource:
    """Return where the ResourceFlavors live that Workloads of one version name."""
    return Resource(workload.api_version, "ResourceFlavor", "resourceflavors")


_CREATED = {(r.api_version, r.kind): r for r in (POD, CONFIG_MAP, *POD_GROUPS, *WORKLOADS)}


def resource_of(document: Mapping[str, Any]) -> Resource:
    """Return where an object lives that the core built."""
    return _CREATED[document["apiVersion"], document["kind"]]
