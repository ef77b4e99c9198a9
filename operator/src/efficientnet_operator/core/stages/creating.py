"""Create what one attempt needs: its ConfigMap, its gang, its pods."""

from __future__ import annotations

import json

from efficientnet_operator.core.allocations import name_some
from efficientnet_operator.core.conditions import format_time
from efficientnet_operator.core.config_maps import build_config_map
from efficientnet_operator.core.draft import Draft
from efficientnet_operator.core.identity import config_map_name, pod_group_name
from efficientnet_operator.core.merge import merge
from efficientnet_operator.core.pods import PodBuilder
from efficientnet_operator.core.stages.ganging import explain_refusal, find_gang, wait_for_gang
from efficientnet_operator.core.stages.queueing import find_admitted_patch

LOOK_AGAIN_S = 5.0
REFUSALS = ("NameConflict", "Invalid", "Forbidden", "NotInstalled")
"""How the reasons of children that the API server refused end; see ``kube.execute``."""
RETRY_S = 10.0
"""How long a child that the API server refused is left alone."""


def create_children(draft: Draft) -> bool:
    """Plan what is missing; Created becomes True when everything stands."""
    # Somebody may delete the ConfigMap: it is made again, and the same table published.
    if draft.conditions.is_true("Created") and draft.config_map is not None:
        return False
    if _report_refusals(draft) or _wait_for_leaving(draft):
        return True
    gang = find_gang(draft)
    if gang is None or (admitted := find_admitted_patch(draft)) is None:
        return True
    if draft.config_map is None:
        draft.creates.append(build_config_map(draft.job, draft.attempt))
    if gang.group and draft.group is None:
        draft.creates.append(gang.group)
    if wait_for_gang(draft, gang):
        return True
    draft.status.setdefault("attemptStartTime", format_time(draft.now))
    if missing := draft.missing:
        patch = merge(gang.pod_patch, admitted)
        builder = PodBuilder(draft.job, draft.spec, draft.attempt, excluded_hosts(draft), patch)
        draft.pods.extend(builder.build(index) for index in missing)
    waiting = len(draft.pods) + len(draft.creates)
    if waiting:
        total = draft.spec.replicas + (2 if gang.group else 1)
        # While a refused child is tried again, the refusal is what there is to say.
        if not _was_refused(draft):
            message = f"attempt {draft.attempt}: {waiting} of {total} objects to create"
            draft.conditions.set("Created", False, "Creating", message)
        draft.wait("the API server to store them", LOOK_AGAIN_S)
        return True
    message = f"attempt {draft.attempt}: {draft.spec.replicas} pods"
    draft.conditions.set("Created", True, "PodsCreated", message)
    return False


def _was_refused(draft: Draft) -> bool:
    created = draft.conditions.items.get("Created", {})
    reason = created.get("reason", "")
    return created.get("status") == "False" and reason.endswith(REFUSALS)


def excluded_hosts(draft: Draft) -> dict[int, list[str]]:
    """Return host group to nodes that could not hold all of it, as the ConfigMap remembers."""
    config_map = draft.config_map
    if config_map is None or not config_map.excluded:
        return {}
    try:
        return {int(g): list(nodes) for g, nodes in json.loads(config_map.excluded).items()}
    except (ValueError, AttributeError, TypeError):
        return {}


def _wait_for_leaving(draft: Draft) -> bool:
    """Wait for children of this attempt that were given back: their names are still taken.

    Counted as there, they would be missed as soon as they are gone.
    """
    leaving = [p.name for p in draft.attempt_pods if p.deleting]
    message = f"{len(leaving)} pods that were given back still exist: {name_some(leaving, 1)}"
    group = draft.group
    if not leaving and draft.missing and group is not None and group.deleting:
        leaving = [group.name]
        message = f"PodGroup {group.name} that was given back still exists"
    if not leaving:
        return False
    draft.conditions.set("Created", False, "WaitingForPods", message)
    draft.wait(f"{name_some(leaving)} to go", LOOK_AGAIN_S)
    return True


def _report_refusals(draft: Draft) -> bool:
    refusals = draft.view.refusals
    if not refusals:
        return False
    # By name: requests end in any order, and the message must not change with it.
    first = refusals.get(config_map_name(draft.job, draft.attempt)) or refusals[min(refusals)]
    others = sorted(n for n, r in refusals.items() if r is not first)
    message = first.message + (f" (also: {name_some(others)})" if others else "")
    if first is refusals.get(pod_group_name(draft.job, draft.attempt)):
        message += explain_refusal(draft, first)
    draft.conditions.set("Created", False, first.reason, message)
    draft.wait(f"the way to be free: {first.message}", RETRY_S)
    return True
