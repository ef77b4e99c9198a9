"""Offer a node's chips to its kubelet over the device plugin API (v1beta1, gRPC).

A kubelet forgets its plugins and empties their folder whenever it starts, so
the plugin watches the kubelet's socket and serves and registers anew.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc

from ascend_sim.chips import CHIPS, RESOURCE, chip_id, choose_chips, device_name
from ascend_sim.controls import ControlFile

API, SERVICES = grpc.protos_and_services("ascend_sim/device_plugin.proto")

VERSION = "v1beta1"
ENDPOINT = "ascend910.sock"
POLL_S = 0.2
REGISTER_TIMEOUT_S = 5.0

log = logging.getLogger(__name__)


class DevicePlugin(SERVICES.DevicePluginServicer):
    """The service that the kubelet calls; a method per RPC."""

    def __init__(self, controls: ControlFile) -> None:
        self._controls = controls

    async def GetDevicePluginOptions(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Say which of the optional calls are served."""
        return API.Options(get_preferred_allocation_available=True)

    async def ListAndWatch(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """Send all chips with their health, at first and after each change."""
        sent = None
        while True:
            unhealthy = self._controls.current().unhealthy
            if unhealthy != sent:
                log.info("telling the kubelet: unhealthy chips %s", sorted(unhealthy))
                yield API.DeviceList(
                    devices=[
                        API.Device(
                            id=device_name(chip),
                            health="Unhealthy" if chip in unhealthy else "Healthy",
                        )
                        for chip in CHIPS
                    ]
                )
                sent = unhealthy
            await asyncio.sleep(POLL_S)

    async def GetPreferredAllocation(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Choose for each container among the chips that the kubelet could give."""
        scattered = self._controls.current().scattered
        chosen = [
            choose_chips(
                {chip_id(name) for name in container.available},
                [chip_id(name) for name in container.must_include],
                container.size,
                scattered=scattered,
            )
            for container in request.containers
        ]
        answers = [
            API.PreferenceResponse.Container(ids=[device_name(chip) for chip in chips])
            for chips in chosen
        ]
        return API.PreferenceResponse(containers=answers)

    async def Allocate(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Give a container its chips, as Ascend's container runtime reads it."""
        answers = []
        for container in request.containers:
            chips = sorted(chip_id(name) for name in container.ids)
            log.info("allocated %s", chips)
            visible = ",".join(str(chip) for chip in chips)
            answers.append(
                API.AllocateResponse.Container(envs={"ASCEND_VISIBLE_DEVICES": visible})
            )
        return API.AllocateResponse(containers=answers)


async def serve_kubelet(folder: Path, controls: ControlFile) -> None:
    """Serve whatever kubelet is there, for ever.

    Args:
        folder: the kubelet's `device-plugins` folder.
        controls: the node's settings.
    """
    while True:
        kubelet = socket_version(folder / "kubelet.sock")
        if kubelet is None:
            await asyncio.sleep(POLL_S)
            continue
        server = await _start_server(folder / ENDPOINT, controls)
        try:
            await _register(folder)
            log.info("registered %d %s", len(CHIPS), RESOURCE)
            while (folder / ENDPOINT).exists() and (
                socket_version(folder / "kubelet.sock") == kubelet
            ):
                await asyncio.sleep(POLL_S)
            log.info("the kubelet restarted")
        except grpc.aio.AioRpcError as error:
            log.warning("registering: %s: %s", error.code(), error.details())
            await asyncio.sleep(POLL_S)
        finally:
            await server.stop(grace=0)


def socket_version(path: Path) -> tuple[int, int] | None:
    """Return what differs between two sockets of one path, None if there is none.

    The inode alone does not: a restarted kubelet often gets the same one again.
    """
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_ctime_ns


async def _start_server(socket: Path, controls: ControlFile) -> grpc.aio.Server:
    socket.unlink(missing_ok=True)
    server = grpc.aio.server()
    SERVICES.add_DevicePluginServicer_to_server(DevicePlugin(controls), server)
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    return server


async def _register(folder: Path) -> None:
    request = API.RegisterRequest(
        version=VERSION,
        endpoint=ENDPOINT,
        resource_name=RESOURCE,
        options=API.Options(get_preferred_allocation_available=True),
    )
    async with grpc.aio.insecure_channel(f"unix:{folder / 'kubelet.sock'}") as channel:
        await SERVICES.RegistrationStub(channel).Register(request, timeout=REGISTER_TIMEOUT_S)
