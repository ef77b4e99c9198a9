"""Derive every name, address and folder of a cluster from its name and index.

Pure.  Interfaces, control groups and subnets are shared by the whole machine,
so their names carry the index, which ``registry`` hands out to one cluster at
a time; two different indexes never share a name or an address.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from localcluster.errors import ClusterError

MAX_CLUSTERS = 32
MAX_NODES = 64

# 10.200.0.0 to 10.231.0.0, one /16 for each cluster: seldom used by home
# routers (10.0, 10.1), container engines (172.17) or Kubernetes (10.96, 10.244).
_FIRST_BLOCK = int(IPv4Address("10.200.0.0"))
_BLOCK_SIZE = 1 << 16

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?")


def check_name(name: str) -> str:
    """Return the cluster name, or say what a name looks like.

    Raises:
        ClusterError: the name is no DNS label of at most 20 characters.
    """
    if not _NAME.fullmatch(name):
        raise ClusterError(
            f"cluster name {name!r}: wanted 1 to 20 characters of a-z, 0-9 and '-', "
            "starting with a letter, not ending with '-'; for example --name dev"
        )
    return name


@dataclass(frozen=True)
class NodeNames:
    """What belongs to one node: its host name, addresses, ports and folder."""

    name: str
    number: int
    ip: IPv4Address
    pod_subnet: IPv4Network
    hub_port: str
    cgroup: str
    folder: Path


@dataclass(frozen=True)
class ClusterNames:
    """What belongs to one cluster.

    Attributes:
        name: what people call it.
        index: its number on this machine, from 0.
        folder: its state folder.
    """

    name: str
    index: int
    folder: Path

    def __post_init__(self) -> None:
        """Refuse an index that has no address block."""
        if not 0 <= self.index < MAX_CLUSTERS:
            raise ClusterError(
                f"cluster {self.name}: index {self.index} is outside 0..{MAX_CLUSTERS - 1}"
            )

    @property
    def host_interface(self) -> str:
        """The host's end of the one cable into the cluster; at most 15 characters."""
        return f"enj{self.index}"

    @property
    def cgroup(self) -> str:
        """The control group, relative to each hierarchy's root, above all it runs."""
        return f"enj{self.index}-{self.name}"

    @property
    def block(self) -> IPv4Network:
        """All addresses of the cluster."""
        return address_block(self.index)

    @property
    def link_subnet(self) -> IPv4Network:
        """The network that joins the host, the control plane and the nodes."""
        return _subnet(self.block, 24, 0)

    @property
    def service_subnet(self) -> IPv4Network:
        """Service addresses; the first is the API server's own Service."""
        return _subnet(self.block, 20, 1)

    @property
    def pod_subnet(self) -> IPv4Network:
        """The upper half of the block; each node has one /24 of it."""
        return _subnet(self.block, 17, 1)

    @property
    def host_ip(self) -> IPv4Address:
        """The host's address on the cluster's network."""
        return self.link_subnet[1]

    @property
    def api_ip(self) -> IPv4Address:
        """The address of etcd's neighbour, the API server."""
        return self.link_subnet[2]

    @property
    def api_service_ip(self) -> IPv4Address:
        """The address of the Service kubernetes.default."""
        return self.service_subnet[1]

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.folder / "kubeconfig"

    @property
    def logs(self) -> Path:
        """The folder of every daemon's log."""
        return self.folder / "logs"

    def node(self, number: int) -> NodeNames:
        """Return the names of one node, counted from 0.

        Raises:
            ClusterError: there is no such node in any cluster.
        """
        if not 0 <= number < MAX_NODES:
            raise ClusterError(
                f"cluster {self.name}: node number {number} is outside 0..{MAX_NODES - 1}"
            )
        name = f"node{number}"
        return NodeNames(
            name=name,
            number=number,
            ip=self.link_subnet[10 + number],
            pod_subnet=_subnet(self.pod_subnet, 24, number),
            hub_port=f"port{number}",
            cgroup=f"{self.cgroup}/{name}",
            folder=self.folder / "nodes" / name,
        )


def address_block(index: int) -> IPv4Network:
    """Return the /16 of a cluster's index."""
    return IPv4Network((_FIRST_BLOCK + index * _BLOCK_SIZE, 16))


def choose_index(taken: set[int], routes: list[IPv4Network]) -> int:
    """Return the lowest index that no cluster holds and no route of the host uses.

    Args:
        taken: indexes of clusters on this machine.
        routes: destinations in the host's routing table.

    Raises:
        ClusterError: none is left.
    """
    for index in range(MAX_CLUSTERS):
        if index not in taken and not any(_in_the_way(r, address_block(index)) for r in routes):
            return index
    raise ClusterError(
        f"all {MAX_CLUSTERS} address blocks from {address_block(0)} to "
        f"{address_block(MAX_CLUSTERS - 1)} are taken by {len(taken)} clusters or by routes of "
        "this machine; stop a cluster (python -m localcluster list, then down --name NAME)"
    )


def _in_the_way(route: IPv4Network, block: IPv4Network) -> bool:
    # A default or company-wide route (10.0.0.0/8) leaves room for a narrower
    # one; anything nearer in size is a network that somebody uses.
    return route.prefixlen >= 12 and route.overlaps(block)


def _subnet(network: IPv4Network, prefix: int, number: int) -> IPv4Network:
    size = 1 << (32 - prefix)
    return IPv4Network((int(network.network_address) + number * size, prefix))
