"""A cluster of real nodes: bring it up, use it, take it down without a trace.

``up`` is a repair: it looks at what stands and starts what does not, so that
the first start, the second call, a half-finished start and a cluster whose
processes were all killed take the same path (``startup``).
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cached_property
from operator import methodcaller
from pathlib import Path
from typing import Self

from localcluster import check, registry
from localcluster.binaries import NODES, find_binaries
from localcluster.cgroups import ControlGroups
from localcluster.errors import ClusterError
from localcluster.folders import clusters_folder
from localcluster.images import build_pod_tool, read_archive
from localcluster.kubectl import Kubectl
from localcluster.links import inside
from localcluster.locks import exclusive
from localcluster.names import ClusterNames, check_name
from localcluster.network import HUB
from localcluster.node import Node, NodeDaemons
from localcluster.processes import Identity, ProcessTable, boot_id, identify, is_alive
from localcluster.record import Record, choose_nodes, is_outdated, read_record, write_record
from localcluster.startup import CONTROL_PLANE_DAEMONS, Startup, stop_everything


class Cluster:
    """A named cluster on this machine; `Cluster("dev").up()` may be repeated at will.

    Attributes:
        kubeconfig: path of the administrator's kubeconfig.
        processes: every daemon, by name: `etcd`, `kube-apiserver`,
            `node0-kubelet`, ...
    """

    def __init__(
        self,
        name: str = "dev",
        *,
        owned: bool = False,
        report: Callable[[str], None] = print,
    ) -> None:
        """Describe a cluster; nothing starts yet.

        Args:
            name: its name; clusters of other names live beside it.
            owned: it belongs to this process: should that be killed before it
                calls `down`, the next `remove_orphans` does.
            report: takes each line of progress.
        """
        self.name = check_name(name)
        self.folder = clusters_folder() / name
        self.kubeconfig = self.folder / "kubeconfig"
        self.processes = ProcessTable(self.folder / "processes", self.folder / "logs")
        self._owned = owned
        self._report = report

    def up(self, nodes: int | None = None) -> Self:
        """Bring the cluster up and return when pods can run on every node.

        Args:
            nodes: how many; by default what it has, or two.

        Raises:
            ClusterError: the machine lacks something, or a component did not
                start; the message names its log and shows the end of it.
        """
        check.require()
        binaries = find_binaries(*NODES)
        pod_tool = build_pod_tool()
        with self._locked():
            started = time.monotonic()
            names, count = self._claim(nodes)
            before = self._alive()
            members = [
                NodeDaemons(names, number, self.processes, binaries) for number in range(count)
            ]
            Startup(names, members, self.processes, binaries, self._say).run(pod_tool)
            new = self._alive() - before
        done = f"{len(new)} processes started" if new else "all of it was up"
        self._say(f"{count} nodes ready after {time.monotonic() - started:.1f} s, {done}")
        return self

    def down(self) -> None:
        """Remove all that the cluster made; it is no error if it is not there."""
        with self._locked():
            names = self._find_names()
            if names is None and not self.folder.exists():
                self._say("is not there")
                return
            started = time.monotonic()
            if names is not None:
                groups = ControlGroups()
                stop_everything(names, self.processes, groups)
                groups.remove(names.cgroup)
            if self.folder.exists():
                shutil.rmtree(self.folder)
            registry.release_index(self.name, self.folder)
            self._say(f"is gone after {time.monotonic() - started:.1f} s")

    @cached_property
    def kubectl(self) -> Kubectl:
        """Kubectl as administrator."""
        return Kubectl(find_binaries()["kubectl"], self.kubeconfig)

    @property
    def nodes(self) -> list[Node]:
        """The nodes of a cluster that is up."""
        return [member.describe() for member in self._members()]

    def load(self, archives: Iterable[Path]) -> None:
        """Import OCI archives into every node; what a node has already is left alone.

        Raises:
            ClusterError: an archive can not be read or imported.
        """
        members = self._members()
        for archive in [read_archive(Path(path)) for path in archives]:
            started = time.monotonic()
            with ThreadPoolExecutor(len(members)) as pool:
                imported = any(list(pool.map(methodcaller("import_image", archive), members)))
            took = f"imported in {time.monotonic() - started:.1f} s"
            self._say(f"image {archive.image} {took if imported else 'is on every node'}")

    def run_in_node(
        self,
        node: str,
        argv: Sequence[str | Path],
        *,
        name: str,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> Identity:
        """Start a daemon of one's own on a node; `down` kills it with the rest.

        It sees the node's network, /run, /var/log, /var/lib/kubelet and
        /var/lib/cni, and the host's files elsewhere; it starts in `/`.  One of
        that name that runs already is left alone.

        Args:
            node: the node's name.
            argv: program and arguments.
            name: what to call it on that node.
            env: variables besides PATH and HOME.
            log: where its output goes; logs/NODE-NAME.log by default.
        """
        return self._member(node).run(name, argv, env=env, log=log)

    def stop_in_node(self, node: str, name: str) -> None:
        """Kill hard a daemon of a node: `kubelet`, `containerd`, `kube-proxy` or one's own."""
        self.processes.stop(self._member(node).daemon(name))

    def restart(self, node: str, name: str) -> None:
        """Kill a node's `kubelet`, `containerd` or `kube-proxy` hard and bring it up again."""
        self.stop_in_node(node, name)
        self.up()

    def disconnect(self, node: str) -> None:
        """Unplug a node's cable; `reconnect`, or `up`, plugs it in again."""
        self._set_cable(node, "down")

    def reconnect(self, node: str) -> None:
        """Plug a node's cable in; Kubernetes takes some seconds to notice."""
        self._set_cable(node, "up")

    def problems(self) -> list[str]:
        """Return what keeps the cluster from being up, a line each; empty when it is."""
        if read_record(self.folder) is None or self._find_names() is None:
            return ["is not there; `up` makes it"]
        daemons = {*CONTROL_PLANE_DAEMONS, *self.processes.names()}
        for member in self._members():
            daemons |= {member.names.name, *member.daemons}
        return [
            f"{name} does not run, see {self.processes.log(name)}; `up` repairs"
            for name in sorted(daemons - self._alive())
        ]

    def _locked(self) -> AbstractContextManager[None]:
        return exclusive(self.folder.with_name(f".{self.name}.lock"))

    def _claim(self, wanted: int | None) -> tuple[ClusterNames, int]:
        known = read_record(self.folder)
        count = choose_nodes(self.name, known, wanted)
        claim = registry.claim_index(self.name, self.folder)
        if known is not None and is_outdated(known, claim.index):
            self._say("the machine was restarted since: starting from an empty cluster")
            old = ClusterNames(self.name, known.index, self.folder)
            stop_everything(old, self.processes, ControlGroups())
            shutil.rmtree(self.folder)
            self.folder.mkdir()
        owner = identify(os.getpid()) if self._owned else None
        write_record(self.folder, Record(claim.index, count, boot_id(), owner))
        return ClusterNames(self.name, claim.index, self.folder), count

    def _find_names(self) -> ClusterNames | None:
        claim = registry.find_claim(self.name, self.folder)
        return ClusterNames(self.name, claim.index, self.folder) if claim else None

    def _members(self) -> list[NodeDaemons]:
        names, record = self._find_names(), read_record(self.folder)
        if names is None or record is None:
            raise ClusterError(
                f"cluster {self.name} is not there; `python -m localcluster up --name {self.name}`"
            )
        binaries = find_binaries()
        return [NodeDaemons(names, n, self.processes, binaries) for n in range(record.nodes)]

    def _member(self, node: str) -> NodeDaemons:
        members = {member.names.name: member for member in self._members()}
        if node not in members:
            raise ClusterError(f"cluster {self.name} has no node {node!r}, but {sorted(members)}")
        return members[node]

    def _set_cable(self, node: str, state: str) -> None:
        hub = self.processes.get(HUB)
        port = self._member(node).names.hub_port
        if hub is None:
            raise ClusterError(f"cluster {self.name}: its network has gone; `up` first")
        argv = [*inside(HUB, {HUB: hub.pid}), "ip", "link", "set", port, state]
        subprocess.run(argv, check=True)

    def _alive(self) -> set[str]:
        return {name for name in self.processes.names() if self.processes.get(name)}

    def _say(self, line: str) -> None:
        self._report(f"cluster {self.name}: {line}")


def remove_orphans(report: Callable[[str], None] = print) -> None:
    """Take down the clusters whose owner was killed before it could do so."""
    for claim in registry.claims():
        record = read_record(claim.folder)
        orphan = record is not None and record.owner is not None and not is_alive(record.owner)
        if orphan and claim.folder.parent == clusters_folder():
            Cluster(claim.name, report=report).down()
