"""Everything that one reconciliation may look at, gathered beforehand.

``observe`` builds it from caches; ``reconcile`` reads it and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from efficientnet_operator.api.spec import EfficientNetJob
from efficientnet_operator.core.allocations import NodeFacts
from efficientnet_operator.core.chip_health import ChipReport
from efficientnet_operator.core.config_maps import ConfigMapView
from efficientnet_operator.core.gang.group_view import GroupView
from efficientnet_operator.core.kueue.workload_view import Queueing
from efficientnet_operator.core.nodes import NodeLoss
from efficientnet_operator.core.pod_view import PodView
from efficientnet_operator.core.progress import RankReport
from efficientnet_operator.core.resources import Resource

NOT_SERVED = "NotServed"
"""The API server does not know the API: it is not installed, or not enabled."""
FORBIDDEN = "Forbidden"
"""The operator may not read it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the API server did not create a child: a condition reason and a message."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class View:
    """One job and what belongs to it.

    Attributes:
        job: the job, parsed.
        status: its status as stored, so that nothing is lost by parsing.
        status_age_s: seconds since this operator last stored it; endless where it never did.
        pods: all pods that carry the job's name as label, of any job UID and attempt.
        config_maps: the job's rank table ConfigMaps by name.
        groups: the PodGroups of this very job, of any attempt and scheduler.
        kueue: what is known of it at Kueue; None where the operator does not work with it.
        absent: optional APIs that cannot be used, and why: NOT_SERVED or FORBIDDEN.
        nodes: facts of nodes that the rank table needs, by node name.
        node_source: why facts of nodes are missing; "" where they can be read.
        lost_nodes: those of the pods' nodes that are not Ready or gone; {} where nodes cannot be
            read.
        chip_reports: reports of unfit chips on the pods' nodes, by node name.
        refusals: children by name that could not be created lately.
        progress: rank 0's newest report; None where it was not asked.
        survey: the reports of all ranks that answered; None where they were not asked.
    """

    job: EfficientNetJob
    status: Mapping[str, Any] = field(default_factory=dict)
    status_age_s: float = inf
    pods: tuple[PodView, ...] = ()
    config_maps: Mapping[str, ConfigMapView] = field(default_factory=dict)
    groups: tuple[GroupView, ...] = ()
    kueue: Queueing | None = None
    absent: Mapping[Resource, str] = field(default_factory=dict)
    nodes: Mapping[str, NodeFacts] = field(default_factory=dict)
    node_source: str = ""
    lost_nodes: Mapping[str, NodeLoss] = field(default_factory=dict)
    chip_reports: Mapping[str, ChipReport] = field(default_factory=dict)
    refusals: Mapping[str, Refusal] = field(default_factory=dict)
    progress: RankReport | None = None
    survey: tuple[RankReport, ...] | None = None
