"""Say what the scheduler waits for, and give back a host that cannot hold its group.

Affinity binds the first pod of a host group to whatever host has room for one;
if there is no room for its mates, the group is stuck there. It is then given
back and created again with that host excluded. No attempt is charged for it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

from efficientnet_operator.core.allocations import name_some
from efficientnet_operator.core.draft import Draft
from efficientnet_operator.core.identity import EXCLUDED_HOSTS_ANNOTATION
from efficientnet_operator.core.plan import Event, Patch
from efficientnet_operator.core.pod_view import PodView
from efficientnet_operator.core.pods import host_groups
from efficientnet_operator.core.resources import CONFIG_MAP
from efficientnet_operator.core.stages.creating import excluded_hosts
from efficientnet_operator.core.stages.ganging import explain_group

STUCK = timedelta(seconds=10)
"""How long a mate may be unschedulable before its group is given back."""
FORGET = timedelta(seconds=60)
"""How long a group may find no host at all before the excluded ones are tried again."""


def watch_scheduling(draft: Draft) -> bool:
    """Set Scheduled; give stuck host groups back."""
    pods = draft.attempt_pods
    waiting = [p for p in pods if not p.node]
    if not waiting:
        draft.conditions.set("Scheduled", True, "AllPodsScheduled", f"{len(pods)} pods")
        return False
    told = [p for p in waiting if p.unschedulable]
    words = explain_group(draft)
    if told and not words:
        words = f"{told[0].name}: {told[0].unschedulable}"
    npus = len(waiting) * draft.spec.npus_per_pod
    message = f"{len(waiting)} of {len(pods)} pods have no node ({npus} NPUs missing)"
    message += f": {words}" if words else ""
    draft.conditions.set("Scheduled", False, "Unschedulable" if words else "Pending", message)
    _count_allocated(draft)
    draft.wait(f"a node for {name_some([p.name for p in waiting])}")
    if told:
        draft.wait(draft.waits_for, 2)
        _give_back_stuck_groups(draft, pods)
    return True


def _count_allocated(draft: Draft) -> None:
    draft.status["npus"] = {"total": draft.spec.npus, "allocated": 0}


def _give_back_stuck_groups(draft: Draft, pods: Sequence[PodView]) -> None:
    groups = host_groups(draft.spec)
    if groups is None or draft.config_map is None:
        return
    excluded = excluded_hosts(draft)
    before = {group: list(nodes) for group, nodes in excluded.items()}
    returned: list[PodView] = []
    for group in range(groups.count):
        members = [p for p in pods if p.host_group == group]
        bound = [p for p in members if p.node]
        if bound and _stuck_since(members, draft, STUCK):
            excluded.setdefault(group, []).append(bound[0].node)
            returned += members
        elif not bound and group in excluded and _stuck_since(members, draft, FORGET):
            del excluded[group]
            returned += members
    if excluded == before:
        return
    text = json.dumps({str(g): sorted(set(n)) for g, n in sorted(excluded.items())})
    annotation = {"metadata": {"annotations": {EXCLUDED_HOSTS_ANNOTATION: text}}}
    draft.patches.append(Patch(CONFIG_MAP, draft.config_map.name, annotation))
    for pod in returned:
        draft.delete(pod)
    # Created says that a missing pod was taken away; these are given back on purpose.
    names = name_some([p.name for p in returned])
    draft.conditions.set("Created", False, "GivenBack", f"no room for the mates of: {names}")
    draft.events.append(
        Event("Normal", "HostGroupGivenBack", f"trying other hosts for {names}; excluded: {text}")
    )


def _stuck_since(members: Sequence[PodView], draft: Draft, limit: timedelta) -> bool:
    """Tell whether a mate found no place for so long; before one was bound does not count."""
    times = [p.unschedulable_since for p in members if p.unschedulable_since]
    bound = [p.bound_since for p in members if p.bound_since]
    return bool(times) and draft.now - max([min(times), *bound]) >= limit
