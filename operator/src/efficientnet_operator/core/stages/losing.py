"""Find what a gang lost under its feet: a node, or a chip that one of its ranks holds.

Kubernetes takes the pods of a dead node away after some six minutes, and those
on a dead chip never. Their mates meanwhile hang in a collective.
"""

from __future__ import annotations

from typing import Any

from efficientnet_operator.core.allocations import Allocation, name_some, parse_allocation
from efficientnet_operator.core.chip_health import ChipFault, ChipReport
from efficientnet_operator.core.draft import Draft
from efficientnet_operator.core.failure import CHIP_UNHEALTHY, NODE_LOST
from efficientnet_operator.core.npu_of_rank import find_rank
from efficientnet_operator.core.pod_view import PodView

NEXT_REPORT_S = 5.0
"""How often the device plugin writes its report, by default."""


def find_loss(draft: Draft) -> dict[str, Any] | None:
    """Return the failure record of a lost node or an unfit chip, or None.

    A node that is not Ready for less than a minute has the job looked at again when it is over.
    """
    return _find_lost_node(draft) or _find_unfit_chip(draft)


def _find_lost_node(draft: Draft) -> dict[str, Any] | None:
    losses = draft.view.lost_nodes
    pods = [p for p in draft.attempt_pods if p.node in losses and not p.finished]
    for pod in pods:
        loss = losses[pod.node]
        if loss.left_s > 0:
            draft.look_again(loss.left_s)
            continue
        mates = [p.name for p in pods if p.node == pod.node and p is not pod]
        also = f", and with it {name_some(mates)}" if mates else ""
        message = loss.describe(pod.node) + also
        return {**_place(draft, pod), "reason": NODE_LOST, "message": message}
    return None


def _find_unfit_chip(draft: Draft) -> dict[str, Any] | None:
    if draft.spec.accelerator == "CPU" or not draft.view.chip_reports:
        return None
    pods = draft.attempt_pods
    one_host = len({p.node for p in pods}) == 1
    for pod in pods:
        report = draft.view.chip_reports.get(pod.node)
        # A pod that failed counts: its chip may be why.
        if report is None or pod.phase == "Succeeded" or pod.deleting:
            continue
        allocation = parse_allocation(pod)
        held = {d.device_id for d in _devices(allocation)}
        faults = [f for f in report.faults if f.device_id in held and not (f.network and one_host)]
        if not faults:
            continue
        if _is_older_than(report, pod):
            draft.look_again(NEXT_REPORT_S)
            continue
        return _describe(draft, pod, faults[0])
    return None


def _devices(allocation: Any) -> tuple[Any, ...]:
    return allocation.devices if isinstance(allocation, Allocation) else ()


def _is_older_than(report: ChipReport, pod: PodView) -> bool:
    """Tell whether a report was written before the pod got its node.

    The kubelet hears of a chip from the same plugin, and before the report is written. It gave
    this chip to the pod later, so it was told that the chip is well again; the next report, which
    comes within seconds, decides. A plugin that died leaves a report that nothing follows, and
    its kubelet gives out no chip at all.
    """
    return bool(report.updated_at and pod.bound_since and report.updated_at < pod.bound_since)


def _describe(draft: Draft, pod: PodView, fault: ChipFault) -> dict[str, Any]:
    failure = {**_place(draft, pod), "npu": str(fault.device_id), "reason": CHIP_UNHEALTHY}
    rank = find_rank(draft.config_map, pod, fault.device_id) if draft.config_map else None
    if rank is not None:
        failure["rank"] = rank
    message = f"NPU {fault.device_id}: {fault.describe()}"
    if _is_as_before(draft, failure):
        message += (
            f"; attempt {draft.attempt - 1} ended for the same chip: it is still given out, so "
            f"cordon node {pod.node}, or have the chip repaired or the device plugin withdraw it"
        )
    return {**failure, "message": message}


def _is_as_before(draft: Draft, failure: dict[str, Any]) -> bool:
    last = draft.status.get("failure") or {}
    same = all(last.get(k) == failure.get(k) for k in ("reason", "node", "npu"))
    return same and last.get("attempt") == draft.attempt - 1


def _place(draft: Draft, pod: PodView) -> dict[str, Any]:
    return {"pod": pod.name, "node": pod.node, "attempt": draft.attempt}
