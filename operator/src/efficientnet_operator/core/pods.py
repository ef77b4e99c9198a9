"""Build the trainer pods of one attempt.

A pod meets the restricted Pod Security profile, has no API token, never
restarts in place, and finds all it needs by the contract in tests/contract.
``podTemplate`` is merged over it, but for what makes it this job's pod.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from efficientnet_operator.api.spec import EfficientNetJobSpec
from efficientnet_operator.core.identity import (
    FIRST_RANK_PORT,
    HOST_GROUP_LABEL,
    HTTP_PORT,
    REPLICA_INDEX_LABEL,
    TRAINER_CONTAINER,
    JobRef,
    child_metadata,
    config_map_name,
    pod_name,
)
from efficientnet_operator.core.merge import merge
from efficientnet_operator.core.placement import (
    HostGroups,
    build_affinity,
    exclude_nodes,
    plan_host_groups,
)
from efficientnet_operator.core.trainer_flags import build_trainer_flags

RANK_TABLE_FOLDER = "/user/serverid/devindex/config"
PODINFO_FOLDER = "/etc/podinfo"
NPU_RESOURCE = "huawei.com/Ascend910"
"""The device plugin's resource for 910, 910B and A3 alike."""
NPU_NODE_SELECTOR = {"accelerator": "huawei-Ascend910"}

CPU_GRACE_S = 120
NPU_GRACE_S = 600
"""One uninterruptible loop of 625 steps takes about 110 s; a checkpoint comes after it."""

_USER = 1000  # HwHiAiUser, whom the NPU's device files belong to


def host_groups(spec: EfficientNetJobSpec) -> HostGroups | None:
    """Return how the job's pods share hosts; None for CPU pods, which go anywhere."""
    if spec.accelerator == "CPU":
        return None
    return plan_host_groups(spec.npus, spec.npus_per_pod, spec.npus_per_host)


class PodBuilder:
    """Builds the trainer pods of one attempt.

    Pods of one host group differ in their metadata only. What they share is built once and
    stands in each of them: do not change what ``build`` returns.

    Args:
        job: the owner.
        spec: the job's spec.
        attempt: the attempt, from 1.
        excluded: host group to nodes that could not hold all of it.
        patch: what the gang strategy adds.
    """

    def __init__(
        self,
        job: JobRef,
        spec: EfficientNetJobSpec,
        attempt: int,
        excluded: Mapping[int, Iterable[str]] | None = None,
        patch: Mapping[str, Any] | None = None,
    ):
        self._job = job
        self._attempt = attempt
        self._groups = host_groups(spec)
        self._excluded = excluded or {}
        self._template = merge(_read_template(spec), patch or {})
        self._pod_spec = _build_pod_spec(job, spec, attempt)
        self._spec_of_group: dict[int, dict[str, Any]] = {}

    def build(self, index: int) -> dict[str, Any]:
        """Return the pod of a replica index, from 0."""
        labels = {REPLICA_INDEX_LABEL: str(index)}
        group = 0
        if self._groups:
            group = self._groups.group_of(index)
            labels[HOST_GROUP_LABEL] = str(group)
        name = pod_name(self._job, self._attempt, index)
        identity = child_metadata(self._job, self._attempt, name, **labels)
        if group not in self._spec_of_group:
            self._spec_of_group[group] = self._build_spec(group)
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            # The identity goes on last: no template can make a pod somebody else's.
            "metadata": merge(self._template["metadata"], identity),
            "spec": self._spec_of_group[group],
        }

    def _build_spec(self, group: int) -> dict[str, Any]:
        spec = self._pod_spec
        if self._groups:
            affinity = build_affinity(self._job, self._attempt, self._groups, group)
            spec = {**spec, "affinity": affinity} if affinity else spec
        spec = merge(spec, self._template["spec"])
        spec["restartPolicy"] = "Never"
        if nodes := sorted(set(self._excluded.get(group, ()))):
            spec["affinity"] = exclude_nodes(spec.get("affinity") or {}, nodes)
        return spec


def _read_template(spec: EfficientNetJobSpec) -> dict[str, Any]:
    """Return what a template may add: labels, annotations and a partial pod spec."""
    metadata = spec.pod_template.get("metadata") or {}
    added = {k: metadata[k] for k in ("labels", "annotations") if metadata.get(k)}
    return {"metadata": added, "spec": spec.pod_template.get("spec") or {}}


def _build_pod_spec(job: JobRef, spec: EfficientNetJobSpec, attempt: int) -> dict[str, Any]:
    pod_spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _grace_s(spec),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_build_container(job, spec, attempt)],
        "volumes": _build_volumes(job, spec, attempt),
    }
    if spec.accelerator != "CPU":
        pod_spec["nodeSelector"] = dict(NPU_NODE_SELECTOR)
    if spec.scheduling.priority_class_name:
        pod_spec["priorityClassName"] = spec.scheduling.priority_class_name
    if spec.scheduling.scheduler_name:
        pod_spec["schedulerName"] = spec.scheduling.scheduler_name
    return pod_spec


def _grace_s(spec: EfficientNetJobSpec) -> int:
    """Return the seconds from SIGTERM to the kubelet's own end: the template's, else ours."""
    own = (spec.pod_template.get("spec") or {}).get("terminationGracePeriodSeconds")
    if isinstance(own, int) and own > 0:
        return own
    return CPU_GRACE_S if spec.accelerator == "CPU" else NPU_GRACE_S


def _build_container(job: JobRef, spec: EfficientNetJobSpec, attempt: int) -> dict[str, Any]:
    ports = [{"name": "http", "containerPort": HTTP_PORT}]
    ports += [
        {"name": f"rank-{i}", "containerPort": FIRST_RANK_PORT + i}
        for i in range(spec.npus_per_pod)
    ]
    container: dict[str, Any] = {
        "name": TRAINER_CONTAINER,
        "image": spec.image,
        # Process 1 ignores signals that it has no handler for yet; with an init process in
        # front, a pod deleted while Python starts ends at once and not after its grace.
        "command": ["dumb-init", "--single-child", "--", "efficientnet-trainer", "launch"],
        "args": build_trainer_flags(spec),
        "workingDir": "/tmp",  # noqa: S108  CANN writes kernel_meta where it stands
        "env": _build_env(job, spec, attempt),
        "ports": ports,
        # Ready means: what is mounted is the complete table. Each second, because
        # every rank waits for the last one.
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": "http"},
            "periodSeconds": 1,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": _build_mounts(spec),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if spec.accelerator == "CPU":
        container["securityContext"]["readOnlyRootFilesystem"] = True
    else:
        count = str(spec.npus_per_pod)
        container["resources"] = {"limits": {NPU_RESOURCE: count}}
    return container


def _build_env(job: JobRef, spec: EfficientNetJobSpec, attempt: int) -> list[dict[str, Any]]:
    fields = {
        "JOB_POD_NAME": "metadata.name",
        "POD_IP": "status.podIP",
        "HOST_IP": "status.hostIP",
    }
    grace_s = _grace_s(spec)
    values = {
        "ENJ_JOB_NAME": job.name,
        "ENJ_JOB_UID": job.uid,
        "ENJ_ATTEMPT": str(attempt),
        "ENJ_NPUS": str(spec.npus),
        "ENJ_NPUS_PER_POD": str(spec.npus_per_pod),
        "ENJ_ACCELERATOR": spec.accelerator,
        # Before the kubelet's own end, so that the trainer says why it stopped hard.
        "ENJ_STOP_GRACE_S": str(grace_s - min(10, grace_s // 2)),
        "HOME": "/tmp",  # noqa: S108  an emptyDir; the user may have no home in the image
    }
    if spec.accelerator != "CPU":
        values["ASCEND_PROCESS_LOG_PATH"] = "/var/log/ascend"
    env: list[dict[str, Any]] = [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for name, path in fields.items()
    ]
    return env + [{"name": name, "value": value} for name, value in values.items()]


def _build_mounts(spec: EfficientNetJobSpec) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = [
        {"name": "rank-table", "mountPath": RANK_TABLE_FOLDER, "readOnly": True},
        {"name": "podinfo", "mountPath": PODINFO_FOLDER, "readOnly": True},
        {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
    ]
    if spec.accelerator != "CPU":
        mounts.append({"name": "ascend-log", "mountPath": "/var/log/ascend"})
    if spec.dataset.volume is not None:
        mounts.append({"name": "dataset", "mountPath": spec.dataset.path, "readOnly": True})
    if spec.output.volume is not None:
        mounts.append({"name": "output", "mountPath": spec.output.path})
    return mounts


def _build_volumes(job: JobRef, spec: EfficientNetJobSpec, attempt: int) -> list[dict[str, Any]]:
    annotations = {"path": "annotations", "fieldRef": {"fieldPath": "metadata.annotations"}}
    volumes: list[dict[str, Any]] = [
        {"name": "rank-table", "configMap": {"name": config_map_name(job, attempt)}},
        {"name": "podinfo", "downwardAPI": {"items": [annotations]}},
        {"name": "shm", "emptyDir": {"medium": "Memory"}},
        {"name": "tmp", "emptyDir": {}},
    ]
    if spec.accelerator != "CPU":
        volumes.append({"name": "ascend-log", "emptyDir": {}})
    if spec.dataset.volume is not None:
        volumes.append({"name": "dataset", **spec.dataset.volume})
    if spec.output.volume is not None:
        volumes.append({"name": "output", **spec.output.volume})
    return volumes
