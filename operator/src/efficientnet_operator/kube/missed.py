"""Make sure that a pod is gone before its loss restarts a gang.

Jobs and pods come by two watches, and that of the pods may be behind: pods that
another operator has just made look like pods that were deleted. A watch tells
of what happened, never that nothing did; only a request does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from efficientnet_operator.api.spec import EfficientNetJob
from efficientnet_operator.core.identity import JOB_NAME_LABEL, JobRef, pod_name
from efficientnet_operator.core.pod_view import PodView
from efficientnet_operator.core.resources import POD
from efficientnet_operator.kube.cache import ChildCache
from efficientnet_operator.kube.client import ApiError, KubeClient

NOT_FOUND = 404


async def find_pods(
    job: EfficientNetJob, status: Mapping[str, Any], cache: ChildCache[PodView], client: KubeClient
) -> tuple[PodView, ...]:
    """Return the pods that carry a job's name; where one is missed the API server is asked.

    Raises:
        ApiError: it does not say; nothing can be decided then.
    """
    key = (job.metadata.namespace, job.metadata.name)
    pods = cache.of_job(key)
    missed = find_missed(job, status, pods)
    if missed is None:
        return pods
    try:
        await client.get(POD.path(key[0], missed))
    except ApiError as error:
        if error.status == NOT_FOUND:
            return pods
        raise
    selector = f"{JOB_NAME_LABEL}={key[1]}"
    found, _ = await client.list_all(POD.path(key[0]), cache.parse, selector)
    for pod in found:
        cache.keep(pod)
    return cache.of_job(key)


def find_missed(
    job: EfficientNetJob, status: Mapping[str, Any], pods: Iterable[PodView]
) -> str | None:
    """Return the first pod that once stood with all others of its attempt and is not known."""
    conditions = {c["type"]: c["status"] for c in status.get("conditions") or []}
    ended = "True" in (conditions.get("Succeeded"), conditions.get("Failed"))
    if conditions.get("Created") != "True" or ended or job.metadata.deletion_timestamp:
        return None
    attempt, uid = int(status.get("attempt") or 0), job.metadata.uid
    present = {p.index for p in pods if p.owner_uid == uid and p.attempt == attempt}
    ref = JobRef(job.metadata.namespace, job.metadata.name, uid)
    missing = (i for i in range(job.spec.replicas) if i not in present)
    return next((pod_name(ref, attempt, i) for i in missing), None)
