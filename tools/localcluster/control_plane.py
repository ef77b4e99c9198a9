"""Run etcd and kube-apiserver, with controllers and fake nodes if wanted, as any user.

``ControlPlane`` is what tests of the API use: everything listens on one
loopback address of its own, so that any number run at once, and dies with the
test.  ``cluster`` starts the same components inside its network namespace.
"""

import os
import random
import shutil
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Self

from localcluster.binaries import CONTROL_PLANE, find_binaries
from localcluster.bootstrap import is_api_ready, write_files
from localcluster.certificates import make_authority
from localcluster.components import GANG_GATES, ControlPlaneSettings, build_commands
from localcluster.errors import ClusterError
from localcluster.fake_nodes import build_fake_nodes, build_kwok_command
from localcluster.folders import state_folder
from localcluster.kubectl import Kubectl
from localcluster.processes import ProcessTable

_OWNER = "owner"


class ControlPlane:
    """A Kubernetes API of its own for the time of a `with` block or a fixture.

    Everything dies with the thread that started it, even when that is killed
    hard: start it from the main thread.

    Attributes:
        kubeconfig: path of the administrator's kubeconfig.
        kubectl: kubectl against this API, usable once started.
        processes: the components by name (`etcd`, `kube-apiserver`,
            `kube-controller-manager`, `kube-scheduler`, `kwok`).
    """

    def __init__(
        self, *, controllers: bool = False, fake_nodes: int = 0, feature_gates: str = GANG_GATES
    ) -> None:
        """Describe a control plane; nothing starts yet.

        Args:
            controllers: also run kube-controller-manager and kube-scheduler:
                owner references are collected, pods are bound.  Without them
                pods need no ServiceAccount and stay Pending.
            fake_nodes: also run kwok with this many nodes of 8 Ascend910
                each, whose pods turn Running; brings the controllers along.
            feature_gates: Name=true,...; by default those of native gangs.
        """
        random_part = random.randrange(1 << 22)  # noqa: S311 (no secret)
        name = f"{os.getpid()}-{random_part}"
        # Linux answers on all of 127.0.0.0/8: with an address of its own, a
        # control plane can use fixed ports and race with nobody for a free one.
        address = str(IPv4Address("127.64.0.0") + random_part)
        folder = state_folder() / "control-planes" / name
        self._fake_nodes = fake_nodes
        self.settings = ControlPlaneSettings(
            name=f"control-plane-{name}",
            folder=folder,
            address=address,
            private_address=address,
            service_subnet=IPv4Network("10.96.0.0/16"),
            pod_subnet=IPv4Network("10.128.0.0/12"),
            controllers=controllers or fake_nodes > 0,
            feature_gates=feature_gates,
            advertised=False,
        )
        self.kubeconfig = folder / "kubeconfig"
        self.processes = ProcessTable(folder / "processes", folder / "logs")
        self._commands: dict[str, list[str]] = {}
        self._kubectl: Kubectl | None = None

    @property
    def url(self) -> str:
        """The API server's URL."""
        return self.settings.url

    @property
    def kubectl(self) -> Kubectl:
        """Kubectl against this API.

        Raises:
            ClusterError: the control plane was not started.
        """
        if self._kubectl is None:
            raise ClusterError(f"{self.settings.name} is not started; use it in a `with` block")
        return self._kubectl

    def start(self) -> Self:
        """Start everything and return when the API is ready.

        Raises:
            ClusterError: a component ended, or was not ready in 120 s.
        """
        remove_orphans()
        binaries = find_binaries(*CONTROL_PLANE, *(["kwok"] if self._fake_nodes else []))
        self.processes.record_self(_OWNER)
        keys = write_files(self.settings, self.kubeconfig)
        self._kubectl = Kubectl(binaries["kubectl"], self.kubeconfig)
        self._commands = build_commands(self.settings, keys, binaries)
        # The scheduler and kwok give up when the API does not answer at first.
        first = ["etcd", "kube-apiserver"]
        self._start(*first)
        self._wait(self._is_api_ready)
        self._start(*(name for name in self._commands if name not in first))
        if self.settings.controllers:
            # Without it the API server refuses every pod of the namespace.
            self.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=120s")
        if self._fake_nodes:
            self.kubectl.create(*build_fake_nodes(self._fake_nodes))
            self._commands["kwok"] = build_kwok_command(
                binaries["kwok"], self.kubeconfig, self.settings.pod_subnet
            )
            self._start("kwok")
            self.kubectl("wait", "node", "--all", "--for=condition=Ready", "--timeout=120s")
        return self

    def stop(self) -> None:
        """Kill everything hard and remove its folder."""
        _remove(self.settings.folder)

    def kill(self, name: str) -> None:
        """Kill one component hard, as a crash does; `restart` brings it back."""
        self.processes.stop(name)

    def restart(self, name: str) -> None:
        """Kill one component hard if it runs, start it again and wait for the API."""
        self.kill(name)
        self._start(name)
        self._wait(self._is_api_ready)

    def __enter__(self) -> Self:
        """Start; a start that fails leaves nothing behind."""
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _start(self, *names: str) -> None:
        for name in names:
            self.processes.start(name, ["setpriv", "--pdeathsig=KILL", *self._commands[name]])

    def _is_api_ready(self) -> bool:
        return is_api_ready(self.url, make_authority(self.settings.pki))

    def _wait(self, ready: Callable[[], bool]) -> None:
        started = [name for name in self._commands if self.processes.is_recorded(name)]
        self.processes.wait_until(self.settings.name, ready, needs=started)


def remove_orphans() -> None:
    """Remove the control planes whose process was killed before it could stop them."""
    for folder in (state_folder() / "control-planes").glob("*"):
        table = ProcessTable(folder / "processes", folder / "logs")
        if table.is_recorded(_OWNER) and table.get(_OWNER) is None:
            _remove(folder)


def _remove(folder: Path) -> None:
    table = ProcessTable(folder / "processes", folder / "logs")
    table.stop(*(name for name in table.names() if name != _OWNER))
    shutil.rmtree(folder, ignore_errors=True)
