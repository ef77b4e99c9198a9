"""Bring up one real node: namespaces of its own, containerd, kubelet, kube-proxy.

A process that only sleeps holds the node's mount and network namespaces, so
that nothing needs to be pinned on the host and everything vanishes with the
processes.  A mount namespace is needed because the kubelet's device-plugin
folder is hard-coded; a network namespace gives each node the usual ports.
"""

import json
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import yaml

from localcluster import node_files
from localcluster.certificates import Pair, issue
from localcluster.cgroups import ControlGroups
from localcluster.errors import ClusterError
from localcluster.images import Archive, read_digests
from localcluster.kubeconfig import write_kubeconfig
from localcluster.names import ClusterNames, NodeNames
from localcluster.processes import Identity, ProcessTable, command_of

_CONTAINERD_NAMESPACE = "k8s.io"

# Bound inside the node's mount namespace: its own folder, over that of the host.
_OWN_FOLDERS = {
    "run": "/run",
    "log": "/var/log",
    "cni": "/var/lib/cni",
    "kubelet": "/var/lib/kubelet",
}


@dataclass(frozen=True)
class Node:
    """A running node, as tests see it.

    Attributes:
        name: its name in Kubernetes, too.
        ip: its InternalIP.
        pod_subnet: where its pods' addresses come from.
        pid: a process in its namespaces (`nsenter -t PID -m -n`).
        kubelet_root: what the node sees as /var/lib/kubelet, on the host.
    """

    name: str
    ip: IPv4Address
    pod_subnet: IPv4Network
    pid: int
    kubelet_root: Path


class NodeDaemons:
    """Start and stop what one node runs; everything that runs already is left alone."""

    def __init__(
        self,
        names: ClusterNames,
        number: int,
        processes: ProcessTable,
        binaries: Mapping[str, Path],
    ) -> None:
        self.names: NodeNames = names.node(number)
        self._cluster = names
        self._processes = processes
        self._binaries = binaries
        self._groups = ControlGroups()

    @property
    def daemons(self) -> list[str]:
        """The names of the node's own daemons in the process table."""
        return [self.daemon(part) for part in ("containerd", "kubelet", "kube-proxy")]

    def daemon(self, part: str) -> str:
        """Return the name of one daemon in the process table."""
        return f"{self.names.name}-{part}"

    def describe(self) -> Node:
        """Return the node as tests see it."""
        return Node(
            name=self.names.name,
            ip=self.names.ip,
            pod_subnet=self.names.pod_subnet,
            pid=self._holder().pid,
            kubelet_root=self.names.folder / "kubelet",
        )

    def is_held(self) -> bool:
        """Tell whether the process that holds the node's namespaces lives."""
        return self._processes.get(self.names.name) is not None

    def hold_namespaces(self) -> Identity:
        """Return the process that holds the node's namespaces, started if it is not alive."""
        holder = self._processes.get(self.names.name)
        if holder is None:
            self._clear()
            for folder in _OWN_FOLDERS:
                (self.names.folder / folder).mkdir(parents=True, exist_ok=True)
            namespaces = ["unshare", "--net", "--mount", "--propagation=slave", "--"]
            argv = [*namespaces, "sh", "-ec", self._mount_script()]
            group = self._groups.joining(f"{self.names.cgroup}/daemons")
            holder = self._processes.start(self.names.name, [*group, *argv])
        self._wait("its namespaces", lambda: command_of(holder) == "sleep", [self.names.name])
        return holder

    def start_runtime(self) -> None:
        """Start containerd."""
        config = self.names.folder / "etc" / "containerd.toml"
        _write(config, node_files.build_containerd_config(self.names))
        cni = json.dumps(node_files.build_cni_config(self.names), indent=2)
        _write(self.names.folder / "etc" / "cni" / "pods.conflist", cni)
        self.run("containerd", [self._binaries["containerd"], f"--config={config}"])

    def wait_runtime(self) -> None:
        """Return when containerd answers."""
        needs = [self.daemon("containerd")]
        self._wait("containerd", lambda: self._ctr("version").returncode == 0, needs)

    def start_kubelet(self, authority: Pair, server: str) -> None:
        """Start the kubelet."""
        node, etc = self.names, self.names.folder / "etc"
        user = issue(
            authority, f"kubelet-{node.name}", f"system:node:{node.name}", ["system:nodes"]
        )
        serving = issue(authority, f"kubelet-{node.name}-serving", node.name, hosts=[node.ip])
        kubeconfig = write_kubeconfig(
            etc / "kubelet.kubeconfig", self._cluster.name, server, authority, user
        )
        config = node_files.build_kubelet_config(node, authority, serving)
        argv = [
            self._binaries["kubelet"],
            f"--config={_write(etc / 'kubelet.yaml', yaml.safe_dump(config))}",
            f"--kubeconfig={kubeconfig}",
            f"--hostname-override={node.name}",
            f"--node-ip={node.ip}",
        ]
        self.run("kubelet", argv)

    def start_proxy(self, authority: Pair, server: str) -> None:
        """Start kube-proxy; it ends itself if its node's address is not known yet."""
        node, etc = self.names, self.names.folder / "etc"
        user = issue(authority, "kube-proxy", "system:kube-proxy")
        kubeconfig = write_kubeconfig(
            etc / "kube-proxy.kubeconfig", self._cluster.name, server, authority, user
        )
        config = node_files.build_proxy_config(self._cluster, node, kubeconfig)
        file = _write(etc / "kube-proxy.yaml", yaml.safe_dump(config))
        self.run("kube-proxy", [self._binaries["kube-proxy"], f"--config={file}"])

    def run(
        self,
        part: str,
        argv: Sequence[str | Path],
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> Identity:
        """Start a daemon inside the node's namespaces and control group."""
        group = self._groups.joining(f"{self.names.cgroup}/daemons")
        return self._processes.start(
            self.daemon(part), [*group, *self.inside(), *argv], env=env, log=log
        )

    def inside(self) -> list[str]:
        """Return the start of a command line that runs the rest on this node."""
        return ["nsenter", f"--target={self._holder().pid}", "--mount", "--net", "--"]

    def import_image(self, archive: Archive) -> bool:
        """Import an image unless the node has this very one; tell whether it was needed."""
        listing = self._ctr("images", "ls")
        if read_digests(listing.stdout).get(archive.image) == archive.digest:
            return False
        done = self._ctr("images", "import", str(archive.path))
        if done.returncode != 0:
            raise ClusterError(
                f"{self.names.name}: importing {archive.path}: {done.stderr.strip()}"
            )
        return True

    def reaches(self, address: str, port: int) -> bool:
        """Tell whether a TCP connection from the node is accepted within a second."""
        attempt = ["timeout", "1", "bash", "-c", f"</dev/tcp/{address}/{port}"]
        done = subprocess.run([*self.inside(), *attempt], capture_output=True)
        return done.returncode == 0

    def _holder(self) -> Identity:
        holder = self._processes.get(self.names.name)
        if holder is None:
            name = self._cluster.name
            raise ClusterError(
                f"cluster {name}: {self.names.name} is not up; "
                f"`python -m localcluster up --name {name}`"
            )
        return holder

    def _clear(self) -> None:
        # The holder is dead: so is the node, as after a power cut.  What was
        # in its memory goes, what was on its disk (images, volumes) stays.
        self._groups.kill(self.names.cgroup)
        self._groups.remove(self.names.cgroup)
        self._groups.make(self.names.cgroup)
        shutil.rmtree(self.names.folder / "run", ignore_errors=True)

    def _mount_script(self) -> str:
        binds = {self.names.folder / own: path for own, path in _OWN_FOLDERS.items()}
        for setting, value in node_files.KERNEL_SETTINGS.items():
            file = _write(self.names.folder / "etc" / "sys" / setting, f"{value}\n")
            binds[file] = f"/proc/sys/{setting}"
        lines = [f"mount --bind {shlex.quote(str(own))} {path}" for own, path in binds.items()]
        # Volumes mounted below it must be able to reach into containers and back.
        lines += ["mount --make-rshared /var/lib/kubelet", "exec sleep infinity"]
        return "\n".join(lines)

    def _ctr(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        ctr = [self._binaries["ctr"], f"--address={node_files.CONTAINERD_SOCKET}"]
        argv = [*self.inside(), *ctr, f"--namespace={_CONTAINERD_NAMESPACE}", *arguments]
        return subprocess.run(argv, capture_output=True, text=True)

    def _wait(self, what: str, ready: Callable[[], bool], needs: Sequence[str]) -> None:
        self._processes.wait_until(f"{self.names.name}: {what}", ready, needs)


def _write(path: Path, content: str) -> Path:
    # An unchanged file stays untouched: kube-proxy ends itself when its own is written.
    if not path.exists() or path.read_text() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return path
