"""Give the pods back while the job is suspended; attempt and progress are kept."""

from __future__ import annotations

from efficientnet_operator.core.conditions import format_time
from efficientnet_operator.core.config_maps import build_data, build_patch
from efficientnet_operator.core.draft import Draft
from efficientnet_operator.core.plan import Patch
from efficientnet_operator.core.rank_table import INITIALIZING, encode


def suspend(draft: Draft) -> bool:
    """Stop everything while ``runPolicy.suspend`` is set; stay out of the way otherwise."""
    if not draft.spec.run_policy.suspend:
        draft.conditions.clear("Suspended", "Resumed", "runPolicy.suspend is false")
        draft.status.setdefault("startTime", format_time(draft.now))
        return False
    draft.conditions.set("Suspended", True, "Suspended", "runPolicy.suspend is true")
    for kind in ("Created", "Scheduled", "Allocated", "Running", "Restarting"):
        draft.conditions.clear(kind, "Suspended")
    # A running trainer needs its usual grace to save a checkpoint.
    for pod in draft.own_pods:
        draft.delete(pod)
    _withdraw_table(draft)
    draft.halt_progress()
    # Deadlines do not run while the job is suspended; they start again with it.
    draft.status.pop("startTime", None)
    draft.status.pop("attemptStartTime", None)
    if "npus" in draft.status:
        draft.status["npus"] = {"total": draft.spec.npus, "allocated": 0}
    draft.wait("runPolicy.suspend to become false")
    return True


def _withdraw_table(draft: Draft) -> None:
    """Take the table back, so that the pods of the resumed attempt wait for their own."""
    draft.status.pop("rankTable", None)
    config_map = draft.config_map
    if config_map and config_map.hccl != INITIALIZING:
        patch = build_patch(config_map, build_data(INITIALIZING, encode([])))
        draft.patches.append(Patch("ConfigMap", config_map.name, patch))
