"""Play device plugin and trainers for many jobs at once, and note what becomes of them.

``job`` does the same for one job step by step. Here every job of some
namespaces goes through the same script without being asked again and again.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from http import HTTPStatus
from ipaddress import IPv4Address
from typing import Any

from ascend_sim.annotations import PodOnNode, build_pod_annotations
from ascend_sim.chips import device_ip
from efficientnet_operator.core.resources import CONFIG_MAP, JOB, POD
from efficientnet_operator.kube.client import ApiError, KubeClient

from operator_lab.job import CONFIGURATION, LABEL, build_end

Object = dict[str, Any]
Child = tuple[str, str]
"""Namespace and name."""
Script = Mapping[int, Mapping[int, int]]
"""Attempt to the exit codes by replica index with which its pods end once they run."""
FINISHED = frozenset({"Succeeded", "Failed"})


class Cast:
    """Plays until cancelled.

    Args:
        client: the API server, as somebody who may do anything.
        script: what happens to each job.

    Attributes:
        pods: the UIDs that each pod's name ever had.
        tables: the contents that each rank table ever had, in order.
        attempts: the attempts that each job's status ever told, in order.
        jobs: each job as it was last heard of.
    """

    def __init__(self, client: KubeClient, script: Script) -> None:
        self._client = client
        self._script = script
        self._said: set[tuple[str, str, int]] = set()
        self._ended = asyncio.Condition()
        self.pods: dict[Child, list[str]] = defaultdict(list)
        self.tables: dict[Child, list[str]] = defaultdict(list)
        self.attempts: dict[Child, list[int]] = defaultdict(list)
        self.jobs: dict[Child, Object] = {}

    async def play(self) -> None:
        """Play for ever."""
        selector = f"{LABEL}/job-name"
        await asyncio.gather(
            self._follow(POD.path(""), selector, self._on_pod),
            self._follow(CONFIG_MAP.path(""), selector, self._on_table),
            self._follow(JOB.path(""), "", self._on_job),
        )

    async def wait_finished(self, namespace: str, name: str) -> Object:
        """Wait for the end of a job; return it."""
        async with self._ended:
            await self._ended.wait_for(lambda: is_finished(self.jobs.get((namespace, name))))
        return self.jobs[namespace, name]

    async def _follow(self, path: str, selector: str, take: Callable[[Object], Any]) -> None:
        documents, version = await self._client.list_all(path, dict, selector)
        for document in documents:
            await take(document)
        while True:
            async for event in self._client.watch(path, selector, version):
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] in {"ADDED", "MODIFIED"}:
                    await take(event["object"])

    async def _on_pod(self, pod: Object) -> None:
        metadata = pod["metadata"]
        note(self.pods[_child(pod)], metadata["uid"])
        annotated = CONFIGURATION in (metadata.get("annotations") or {})
        leaving = "deletionTimestamp" in metadata
        if annotated or leaving or not pod["status"].get("podIP"):
            return
        host = IPv4Address(pod["status"]["hostIP"])
        chip = int(metadata["labels"][f"{LABEL}/replica-index"])
        known = PodOnNode(metadata["name"], metadata["uid"], host)
        said = build_pod_annotations(known, {chip: device_ip(host, chip)}, "pod-uid")
        body = {"metadata": {"annotations": {CONFIGURATION: said[CONFIGURATION]}}}
        await self._say(POD.path(*_child(pod)), body)

    async def _on_table(self, config_map: Object) -> None:
        table = json.loads(config_map["data"]["hccl.json"])
        note(self.tables[_child(config_map)], table["status"])

    async def _on_job(self, job: Object) -> None:
        self.jobs[_child(job)] = job
        status = job.get("status") or {}
        attempt = status.get("attempt", 0)
        if attempt:
            note(self.attempts[_child(job)], attempt)
        namespace, name = _child(job)
        if status.get("phase") == "Running" and (namespace, name, attempt) not in self._said:
            self._said.add((namespace, name, attempt))
            for index, code in self._script.get(attempt, {}).items():
                report = {"rank": index, "exitCode": code, "reason": "Error", "message": "ended"}
                path = POD.path(namespace, f"{name}-{attempt}-{index}")
                await self._say(f"{path}/status", build_end(code, report))
        if is_finished(job):
            async with self._ended:
                self._ended.notify_all()

    async def _say(self, path: str, body: Object) -> None:
        try:
            await self._client.merge_patch(path, body)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:  # gone meanwhile
                raise


def is_finished(job: Object | None) -> bool:
    """Tell whether a job has reached its end."""
    return ((job or {}).get("status") or {}).get("phase") in FINISHED


def note(seen: list[Any], value: Any) -> None:
    """Add a value that differs from the last one."""
    if not seen or seen[-1] != value:
        seen.append(value)


def _child(document: Object) -> Child:
    return document["metadata"]["namespace"], document["metadata"]["name"]
