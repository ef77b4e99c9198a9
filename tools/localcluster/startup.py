"""The steps that bring a cluster's parts up, each of them a repair.

``cluster`` has claimed the names and holds the lock; every step here looks at
what stands and starts only what does not.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from localcluster.bootstrap import is_api_ready, write_files
from localcluster.cgroups import ControlGroups
from localcluster.components import ControlPlaneSettings, build_commands
from localcluster.errors import ClusterError
from localcluster.images import Archive
from localcluster.kubectl import Kubectl
from localcluster.links import apply_network, inside, remove_link
from localcluster.names import ClusterNames
from localcluster.network import HOST, HUB, build_steps
from localcluster.node import NodeDaemons
from localcluster.processes import ProcessTable, command_of

_API = ("etcd", "kube-apiserver")
CONTROL_PLANE_DAEMONS = (HUB, *_API, "kube-controller-manager", "kube-scheduler")


def stop_everything(names: ClusterNames, processes: ProcessTable, groups: ControlGroups) -> None:
    """Kill all that runs in a cluster and take its interface from the host."""
    groups.kill(names.cgroup)
    processes.stop(*processes.names())
    # It goes with the hub's namespace anyway, but some moments later.
    remove_link(HOST, names.host_interface, {})


class Startup:
    """Brings up one cluster with this many nodes."""

    def __init__(
        self,
        names: ClusterNames,
        nodes: Sequence[NodeDaemons],
        processes: ProcessTable,
        binaries: Mapping[str, Path],
        report: Callable[[str], None],
    ) -> None:
        self._names = names
        self._nodes = nodes
        self._processes = processes
        self._binaries = binaries
        self._report = report
        self._groups = ControlGroups()
        self._kubectl = Kubectl(binaries["kubectl"], names.kubeconfig)

    def run(self, pod_tool: Archive) -> None:
        """Take every step; the order lets nodes start while the API does."""
        self._start_network()
        settings = self._settings()
        settings.folder.mkdir(exist_ok=True)
        keys = write_files(settings, self._names.kubeconfig)
        commands = build_commands(settings, keys, dict(self._binaries))
        for name in _API:
            self._start(name, commands.pop(name))
        for node in self._nodes:
            node.start_runtime()
        for node in self._nodes:
            node.wait_runtime()
            node.import_image(pod_tool)
        self._wait("the API server", lambda: is_api_ready(settings.url, keys.authority), _API)
        self._report(f"API server ready at {settings.url}")
        for name, command in commands.items():
            self._start(name, command)
        for node in self._nodes:
            node.start_kubelet(keys.authority, settings.url)
        for node in self._nodes:
            needs = [*commands, node.daemon("containerd"), node.daemon("kubelet")]
            self._wait(node.names.name, lambda node=node: self._is_ready(node), needs)
            node.start_proxy(keys.authority, settings.url)
        proxies = [node.daemon("kube-proxy") for node in self._nodes]
        self._wait("Services", self._services_work, proxies)
        # Without it the API server refuses every pod of the namespace.
        self._kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=120s")

    def _settings(self) -> ControlPlaneSettings:
        return ControlPlaneSettings(
            name=self._names.name,
            folder=self._names.folder / "control-plane",
            address=str(self._names.api_ip),
            # The hub's own loopback, which no pod and no other cluster sees.
            private_address="127.0.0.1",
            service_subnet=self._names.service_subnet,
            pod_subnet=self._names.pod_subnet,
        )

    def _start_network(self) -> None:
        # Without the hub's holder nobody can be reached: what still runs is debris.
        if self._processes.get(HUB) is None:
            stop_everything(self._names, self._processes, self._groups)
        group = self._groups.joining(f"{self._names.cgroup}/control-plane")
        hub = self._processes.start(HUB, [*group, "unshare", "--net", "--", "sleep", "infinity"])
        self._wait("its network", lambda: command_of(hub) == "sleep", [HUB])
        pids = {HUB: hub.pid}
        for node in self._nodes:
            if not node.is_held():
                # The kernel removes a dead node's cable some moments after the node.
                remove_link(HUB, node.names.hub_port, pids)
            pids[node.names.name] = node.hold_namespaces().pid
        if apply_network(build_steps(self._names, len(self._nodes)), pids):
            self._report(f"network {self._names.block} ready, nodes at {self._names.link_subnet}")

    def _start(self, name: str, command: Sequence[str]) -> None:
        hub = self._processes.get(HUB)
        if hub is None:
            raise ClusterError(f"cluster {self._names.name}: its network has gone; `up` again")
        group = self._groups.joining(f"{self._names.cgroup}/control-plane")
        self._processes.start(name, [*group, *inside(HUB, {HUB: hub.pid}), *command])

    def _is_ready(self, node: NodeDaemons) -> bool:
        # The kubelet itself is asked too: a node that was killed stays Ready for a while.
        name = node.names.name
        try:
            self._kubectl("wait", f"node/{name}", "--for=condition=Ready", "--timeout=1s")
            return self._kubectl("get", "--raw", f"/api/v1/nodes/{name}/proxy/healthz") == "ok"
        except ClusterError:
            return False

    def _services_work(self) -> bool:
        service = str(self._names.api_service_ip)
        return all(node.reaches(service, 443) for node in self._nodes)

    def _wait(self, what: str, ready: Callable[[], bool], needs: Sequence[str]) -> None:
        self._processes.wait_until(f"cluster {self._names.name}, {what}", ready, needs)
