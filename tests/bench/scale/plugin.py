"""Play the device plugin for all of kwok's nodes: no delay, chips from 0 as they are free.

The real plugin looks every few seconds; without that delay what is measured is
the operator, and the same plugin serves the floor.
"""

import asyncio
from collections import defaultdict
from ipaddress import IPv4Address
from typing import Any

from ascend_sim.annotations import CONFIGURATION, PodOnNode, build_pod_annotations
from ascend_sim.chips import CHIPS, RESOURCE
from efficientnet_operator.core.resources import POD
from efficientnet_operator.kube.client import ApiError, KubeClient

AT_ONCE = 64


class FleetPlugin:
    """Annotates pods as soon as they have a node; ``see`` takes the watch's events."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._free: dict[str, set[int]] = defaultdict(lambda: set(CHIPS))
        self._held: dict[str, tuple[str, list[int]]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def see(self, event: str, pod: dict[str, Any]) -> None:
        """Take one event of the pods' watch."""
        uid, node = pod["metadata"]["uid"], pod["spec"].get("nodeName")
        if event == "DELETED":
            if uid in self._held:
                where, chips = self._held.pop(uid)
                self._free[where] |= set(chips)
            return
        if node is None or uid in self._held or not pod["status"].get("hostIP"):
            return
        limits = pod["spec"]["containers"][0]["resources"]["limits"]
        chips = sorted(self._free[node])[: int(limits[RESOURCE])]
        self._free[node] -= set(chips)
        self._held[uid] = node, chips
        task = asyncio.create_task(self._annotate(pod, chips))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _annotate(self, pod: dict[str, Any], chips: list[int]) -> None:
        metadata = pod["metadata"]
        host = IPv4Address(pod["status"]["hostIP"])
        known = PodOnNode(metadata["name"], metadata["uid"], host)
        addresses = {c: f"172.{16 + c}.{host.packed[2]}.{host.packed[3]}" for c in chips}
        annotations = build_pod_annotations(known, addresses, "pod-uid")
        body = {"metadata": {"annotations": {CONFIGURATION: annotations[CONFIGURATION]}}}
        path = POD.path(metadata["namespace"], metadata["name"])
        async with self._slots:
            try:
                await self._client.merge_patch(path, body)
            except ApiError as error:
                if error.status != 404:  # the pod was deleted meanwhile
                    raise
