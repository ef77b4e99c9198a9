"""Where the pods of a job go, and the rank table that describes it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from efficientnet_operator.api.base import ApiModel

NpuCount = Annotated[int, Field(json_schema_extra={"enum": [1, 2, 4, 8]})]
"""A count that HCCL accepts on one server: 1, 2, 4 or 8."""

ObjectName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    ),
]

LabelKey = Annotated[
    str,
    Field(
        min_length=1,
        max_length=317,
        pattern=r"^([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
    ),
]


class RankTable(ApiModel):
    """Form of the HCCL rank table."""

    version: Literal["1.0", "Legacy"] = "1.0"
    """1.0 lists servers with explicit ranks; Legacy is the older group_list without a version."""
    grouping: Literal["Host", "Pod"] = "Host"
    """Host merges the pods of a host into one server; Pod makes each pod a server, as the vendor's
    operator does."""


class Scheduling(ApiModel):
    """Which scheduler places the pods, together or one by one, and how many to a host."""

    gang: Literal["None", "Native", "Volcano", "Coscheduling"] = "None"
    """All pods or none: by Kubernetes' own PodGroup (Native), Volcano, or the Coscheduling plugin.
    None places each pod alone."""
    npus_per_host: NpuCount | None = None
    """NPUs of the job on each host: 1, 2, 4 or 8, a divisor of spec.npus. When unset, the largest
    that divides it. Not for CPU."""
    queue: ObjectName | None = None
    """Volcano queue. For Kueue, label the job kueue.x-k8s.io/queue-name instead."""
    priority_class_name: ObjectName | None = None
    """PriorityClass of the pods, and of the gang where it has one."""
    scheduler_name: ObjectName | None = None
    """Scheduler of the pods. When unset, volcano for gang Volcano, else the cluster's default."""
    topology_key: LabelKey | None = None
    """Node label, such as example.com/rack. A gang is kept in one of its domains; without a gang,
    ranks are ordered by it. Only with rank table 1.0."""
