"""Tell the API server which chips each pod of a node was given, and the node's own state.

Not inside Allocate, which does not know the pod: a loop reads the kubelet's
pod-resources socket, so an annotation comes up to a period after the pod was
admitted, as with the real plugin.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import aiohttp
import grpc

from ascend_sim.annotations import (
    CONFIGURATION,
    HEALTH_LABELS,
    NODE_LABELS,
    PodOnNode,
    build_health_data,
    build_node_annotations,
    build_pod_annotations,
)
from ascend_sim.api import Api, ApiError
from ascend_sim.chips import CHIPS, RESOURCE, chip_id, device_ip
from ascend_sim.controls import ControlFile, Controls

API, SERVICES = grpc.protos_and_services("ascend_sim/pod_resources.proto")

LIST_TIMEOUT_S = 5.0

log = logging.getLogger(__name__)


async def report_forever(node: str, socket: Path, api: Api, controls: ControlFile) -> None:
    """Report every period, through restarts of kubelet and API server.

    Args:
        node: the node's name.
        socket: the kubelet's pod-resources socket.
        api: a connection that may patch pods, nodes and ConfigMaps.
        controls: the node's settings.
    """
    reporter = Reporter(node, socket, api)
    while True:
        now = controls.current()
        try:
            await reporter.report(now)
        except (ApiError, aiohttp.ClientError, TimeoutError, grpc.aio.AioRpcError) as error:
            log.warning("will try again in %s s: %s", now.period_s, error)
        await asyncio.sleep(now.period_s)


class Reporter:
    """One look at the kubelet and what follows from it."""

    def __init__(self, node: str, socket: Path, api: Api) -> None:
        self._node = node
        self._socket = socket
        self._api = api
        self._reported_unhealthy: frozenset[int] | None = None

    async def report(self, controls: Controls) -> None:
        """Bring node, chip health and pod annotations up to date.

        Raises:
            ApiError: the API server refused something.
            grpc.aio.AioRpcError: the kubelet does not answer.
        """
        host_ip = await self._report_node(controls)
        await self._report_health(controls.unhealthy)
        if not controls.paused:
            await self._report_pods(host_ip, controls)

    async def _report_node(self, controls: Controls) -> IPv4Address:
        node = await self._api.get_node(self._node)
        host_ip = _internal_ip(node)
        wanted = build_node_annotations(
            {chip: device_ip(host_ip, chip) for chip in CHIPS} | controls.node_device_ips
        )
        meta = node["metadata"]
        annotated = wanted.items() <= meta.get("annotations", {}).items()
        if not (annotated and NODE_LABELS.items() <= meta.get("labels", {}).items()):
            await self._api.patch_node(self._node, NODE_LABELS, wanted)
        return host_ip

    async def _report_health(self, unhealthy: frozenset[int]) -> None:
        if unhealthy != self._reported_unhealthy:
            data = build_health_data(unhealthy, int(time.time()))
            name = f"mindx-dl-deviceinfo-{self._node}"
            await self._api.apply_config_map(name, HEALTH_LABELS, data)
            self._reported_unhealthy = unhealthy

    async def _report_pods(self, host_ip: IPv4Address, controls: Controls) -> None:
        chips_of = await self._read_allocations()
        if not chips_of:
            return
        for pod in await self._api.list_pods(self._node):
            meta = pod["metadata"]
            chips = chips_of.get((meta["namespace"], meta["name"]))
            # Written once, as the real plugin does: a later change of an
            # address or of the annotation itself stays as it is.
            if chips and CONFIGURATION not in meta.get("annotations", {}):
                addresses = {
                    chip: controls.device_ips.get(chip, device_ip(host_ip, chip)) for chip in chips
                }
                who = PodOnNode(meta["name"], meta["uid"], host_ip)
                wanted = build_pod_annotations(who, addresses, controls.server_id)
                await self._annotate(pod, wanted, chips)

    async def _annotate(
        self, pod: dict[str, Any], wanted: dict[str, str], chips: set[int]
    ) -> None:
        name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        try:
            await self._api.annotate_pod(pod, wanted)
        except ApiError as error:
            # It was deleted or replaced meanwhile; the others still want theirs.
            log.warning("pod %s: %s", name, error)
        else:
            log.info("pod %s has chips %s", name, sorted(chips))

    async def _read_allocations(self) -> dict[tuple[str, str], set[int]]:
        async with grpc.aio.insecure_channel(f"unix:{self._socket}") as channel:
            stub = SERVICES.PodResourcesListerStub(channel)
            listed = await stub.List(API.ListRequest(), timeout=LIST_TIMEOUT_S)
        found = {(pod.namespace, pod.name): _chips_of(pod.containers) for pod in listed.pods}
        return {key: chips for key, chips in found.items() if chips}


def _chips_of(containers: Iterable[Any]) -> set[int]:
    # The kubelet gives one entry per chip, in no order.
    return {
        chip_id(name)
        for container in containers
        for devices in container.devices
        if devices.resource_name == RESOURCE
        for name in devices.ids
    }


def _internal_ip(node: dict[str, Any]) -> IPv4Address:
    for address in node["status"].get("addresses", []):
        if address["type"] == "InternalIP":
            return IPv4Address(address["address"])
    raise ApiError(f"node {node['metadata']['name']} has no InternalIP yet")
