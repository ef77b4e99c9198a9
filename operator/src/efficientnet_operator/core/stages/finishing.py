"""What happens to a finished job: its pods are cleaned up, and in time it is deleted."""

from __future__ import annotations

from datetime import timedelta

from efficientnet_operator.core.draft import Draft
from efficientnet_operator.core.pod_view import parse_time
from efficientnet_operator.core.stages.ending import FAILURE_GRACE_S
from efficientnet_operator.core.stages.limiting import DEADLINE_EXCEEDED


def clean_up(draft: Draft) -> None:
    """Delete the pods that ``cleanPodPolicy`` does not keep; create nothing, ever again."""
    policy = draft.spec.run_policy.clean_pod_policy
    conditions = draft.conditions
    # Ranks that were cut off by the clock are healthy, and save a checkpoint when stopped.
    healthy = not conditions.is_true("Failed") or (
        conditions.items["Failed"]["reason"] == DEADLINE_EXCEEDED
    )
    for pod in draft.own_pods:
        if policy == "All" or (policy == "Running" and (not pod.finished or pod.lingering)):
            draft.delete(pod, None if healthy else FAILURE_GRACE_S)
    # Schedulers with queues hold room for a group as long as it stands.
    if all(p.finished for p in draft.own_pods):
        for group in draft.view.groups:
            draft.delete_group(group)
    draft.waits_for = "nothing: the job is finished"
    _delete_in_time(draft)


def _delete_in_time(draft: Draft) -> None:
    """Delete the job ``ttlSecondsAfterFinished`` after an end that is stored."""
    limit = draft.spec.run_policy.ttl_seconds_after_finished
    ended = parse_time(draft.view.status.get("completionTime"))
    if limit is None or ended is None:
        return
    left = (ended + timedelta(seconds=limit) - draft.now).total_seconds()
    draft.delete_job = left <= 0
    draft.wait(f"runPolicy.ttlSecondsAfterFinished {limit} to pass", max(left, 1))
