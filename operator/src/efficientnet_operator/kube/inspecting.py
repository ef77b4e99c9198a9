"""Gather the view of one live job from the outside: for ``explain``, which writes nothing.

The same caches and the same ``observe`` as the operator's, filled by one list
of each kind.
"""

from __future__ import annotations

from dataclasses import replace

from kubernetes.aio import config as kubernetes_config

from efficientnet_operator.core.identity import JOB_NAME_LABEL
from efficientnet_operator.core.resources import JOB
from efficientnet_operator.core.view import View
from efficientnet_operator.kube.client import NOT_FOUND, ApiError, KubeClient
from efficientnet_operator.kube.controller import children_to_watch
from efficientnet_operator.kube.observe import Memory
from efficientnet_operator.kube.queue import WorkQueue
from efficientnet_operator.kube.refusals import ABSENT


def find_namespace(kubeconfig: str | None) -> str:
    """Return the namespace of the kubeconfig's current context, as kubectl takes it."""
    try:
        _, context = kubernetes_config.kube_config.list_kube_config_contexts(  # type: ignore[no-untyped-call]
            kubeconfig
        )
        return str(context["context"].get("namespace") or "default")
    except (kubernetes_config.ConfigException, KeyError):
        return "default"


async def inspect(client: KubeClient, namespace: str, name: str) -> View | None:
    """Return the view of a job; None where there is no such job.

    Raises:
        ApiError: the server refused to tell of the job or of its children.
        pydantic.ValidationError: the job is not one that this version can read.
    """
    memory = Memory.create(WorkQueue(), kueue=True)
    try:
        key = memory.put_job(await client.get(JOB.path(namespace, name)))
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        return None
    for cache, path, optional in children_to_watch(memory, namespace):
        try:
            children, version = await client.list_all(
                path, cache.parse, f"{JOB_NAME_LABEL}={name}"
            )
        except ApiError as error:
            if not (optional and error.status in ABSENT):
                raise
            cache.note_absence(namespace, error.status)
            continue
        cache.replace(namespace, children, version)
    await memory.surroundings.read_once(client)
    for resource, flavors in memory.flavors.items():
        await flavors.read_once(client, resource.path())
    view = await memory.observe(key, client)
    if view and view.kueue and view.kueue.workload is None:
        # No trace of Kueue: most likely the operator was not told of it.
        return replace(view, kueue=None)
    return view
