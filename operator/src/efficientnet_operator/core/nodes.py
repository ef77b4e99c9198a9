"""What is kept of a node, and when one counts as lost.

A node's JSON is 10-20 KB, most of it names of images; five thousand of them
have to fit in the cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from sys import intern
from typing import Any

from efficientnet_operator.core.allocations import NodeFacts, parse_base_device_infos
from efficientnet_operator.core.pod_view import parse_time

DEVICE_INFOS = "baseDeviceInfos"
LOST_AFTER_S = 60.0
"""How long a node is not Ready before it counts as lost.

Kubernetes itself takes the pods away after 300 s (the default tolerations). A minute is long
enough for a kubelet that restarts, and for the 60 s after which ``.owner`` frees an output.
"""


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node, as the cache keeps it; a heartbeat leaves it equal to what it was.

    Attributes:
        device_infos: the annotation ``baseDeviceInfos`` as it stands; few are ever asked for.
        ready: the condition Ready is True, or there is none yet.
        changed_at: when that condition took its status, by the cluster's clock.
        words: why it is not ready, in the words of the kubelet or of the node controller.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    device_infos: str = ""
    ready: bool = True
    changed_at: datetime | None = None
    words: str = ""

    @property
    def facts(self) -> NodeFacts:
        """What a rank table may need of the node."""
        return NodeFacts(parse_base_device_infos(self.device_infos), self.labels)


@dataclass(frozen=True, slots=True)
class NodeLoss:
    """A node that is not Ready, or gone.

    Attributes:
        for_s: for how many seconds, as far as the operator can tell.
        since: since when, by the cluster's clock; None where nobody wrote it down.
        words: why; "" for a node that is gone.
        gone: the node does not exist any more.
    """

    for_s: float
    since: datetime | None = None
    words: str = ""
    gone: bool = False

    @property
    def left_s(self) -> float:
        """Seconds until the node counts as lost; 0 or less where it does."""
        return LOST_AFTER_S - self.for_s

    def describe(self, node: str) -> str:
        """Return the loss as a clause about the node."""
        if self.gone:
            return f"node {node} does not exist any more"
        when = (
            f"since {self.since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
            if self.since
            else f"for {self.for_s:.0f} s"
        )
        return f"node {node} is not Ready {when}" + (f" ({self.words})" if self.words else "")


def parse_node(node: Mapping[str, Any]) -> NodeView:
    """Return the view of a node's JSON; missing parts take their empty values."""
    metadata = node.get("metadata") or {}
    conditions = (node.get("status") or {}).get("conditions") or []
    condition: Mapping[str, Any] = next((c for c in conditions if c.get("type") == "Ready"), {})
    ready = condition.get("status", "True") == "True"
    words = f"{condition.get('reason') or ''}: {condition.get('message') or ''}".strip(": ")
    return NodeView(
        name=metadata.get("name", ""),
        # Thousands of nodes have the same keys, and mostly the same values.
        labels={intern(k): intern(v) for k, v in (metadata.get("labels") or {}).items()},
        device_infos=(metadata.get("annotations") or {}).get(DEVICE_INFOS, ""),
        ready=ready,
        changed_at=None if ready else parse_time(condition.get("lastTransitionTime")),
        words="" if ready else words,
    )
