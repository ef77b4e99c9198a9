"""``efficientnet-operator rank-table``: the table of pods that somebody dumped as JSON.

For clusters without the operator, and to look at what it would publish: the
same parser, checks and builder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from efficientnet_operator.core.allocations import (
    DEVICE_ANNOTATIONS,
    Allocation,
    Violation,
    parse_allocation,
)
from efficientnet_operator.core.pod_view import parse_pod
from efficientnet_operator.core.rank_table import (
    Grouping,
    Version,
    build_rank_table,
    encode,
    rank_devices,
)
from efficientnet_operator.core.rank_table_checks import Accelerator, Candidate, find_violation

NPU_RESOURCE_PREFIX = "huawei.com/"


@dataclass(frozen=True, slots=True)
class Tabulated:
    """A table, or why there is none, and what was left out of it.

    Attributes:
        table: compact JSON; None where there are problems.
        problems: what keeps the table from being valid, a line each.
        notes: pods that were left out, and why.
    """

    table: str | None
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def tabulate(
    document: Any, version: Version, grouping: Grouping, accelerator: Accelerator
) -> Tabulated:
    """Return the rank table of the pods in ``kubectl get pods -o json``.

    Args:
        document: a PodList, a List, a Pod, or a list of pods.
        version: form of the table.
        grouping: whether pods of a host share a server entry.
        accelerator: whose chip rules apply.
    """
    problems: list[str] = []
    notes: list[str] = []
    allocations: list[Allocation] = []
    for pod in _pods_of(document):
        note = _reason_to_leave_out(pod)
        if note:
            notes.append(note)
            continue
        view = parse_pod(pod)
        found = parse_allocation(view)
        if isinstance(found, Violation):
            problems.append(f"{found.reason}: {found.message}")
        elif found is None:
            problems.append(
                f"WaitingForAllocation: pod {view.name} has no devices in its annotation "
                f"{DEVICE_ANNOTATIONS[0]}; the device plugin writes it some seconds after the "
                "pod has started"
            )
        else:
            allocations.append(found)
    if not allocations and not problems:
        problems.append(
            "no pod with NPUs in the input; give the output of 'kubectl get pods -o json'"
        )
    if not problems:
        violation = find_violation(Candidate(allocations, accelerator, grouping))
        problems += [f"{violation.reason}: {violation.message}"] if violation else []
    if problems:
        return Tabulated(None, tuple(problems), tuple(notes))
    ranked = rank_devices(allocations, version, grouping)
    return Tabulated(encode(build_rank_table(ranked, version)), (), tuple(notes))


def _pods_of(document: Any) -> Iterable[Mapping[str, Any]]:
    items = document
    if isinstance(document, Mapping):
        items = document.get("items", [document] if document.get("kind") == "Pod" else None)
    if not isinstance(items, list) or not all(isinstance(i, Mapping) for i in items):
        raise ValueError(
            "the input is not a list of pods; give the output of 'kubectl get pods -o json'"
        )
    return items


def _reason_to_leave_out(pod: Mapping[str, Any]) -> str | None:
    """Return why a pod has no part in a table, or None for one that has."""
    metadata = pod.get("metadata") or {}
    name = metadata.get("name", "?")
    phase = (pod.get("status") or {}).get("phase")
    if phase in {"Succeeded", "Failed"}:
        return f"pod {name} left out: it is {phase} and holds its devices no more"
    if any(key in (metadata.get("annotations") or {}) for key in DEVICE_ANNOTATIONS):
        return None
    containers = (pod.get("spec") or {}).get("containers")
    if containers and not any(_asks_for_npus(c) for c in containers):
        return f"pod {name} left out: it asks for no {NPU_RESOURCE_PREFIX} resource"
    return None


def _asks_for_npus(container: Mapping[str, Any]) -> bool:
    resources = container.get("resources") or {}
    asked = {**(resources.get("requests") or {}), **(resources.get("limits") or {})}
    return any(key.startswith(NPU_RESOURCE_PREFIX) for key in asked)
