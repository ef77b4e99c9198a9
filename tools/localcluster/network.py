"""Plan a cluster's network: namespaces joined by one bridge that the host never sees.

Pure.  The bridge stands in a namespace of its own (`hub`, where the control
plane runs too), so that firewalls and bridge settings of the host neither
touch the cluster nor are touched.  The host gets one veth and a few routes,
which vanish with the hub.  ``links`` observes and applies.

    host (enj0) ── hub: bridge + API server ── node0: pods
                                            └─ node1: pods
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from localcluster.names import ClusterNames

HOST, HUB = "host", "hub"
BRIDGE = "bridge0"
_FORWARDING = "sysctl net.ipv4.ip_forward=1"


@dataclass(frozen=True)
class Step:
    """One thing that must be so, and the command that makes it so.

    Attributes:
        where: the namespace: `host`, `hub` or a node's name.
        fact: what is so afterwards, in the words of `read_facts`.
        argv: the command; `{hub}` and the like stand for a namespace's
            process id.
    """

    where: str
    fact: str
    argv: tuple[str, ...]


def build_steps(names: ClusterNames, nodes: int) -> list[Step]:
    """Return all steps of a cluster's network, in an order that works from nothing."""
    steps = [*_hub(names), *_host_cable(names)]
    for number in range(nodes):
        steps += _node(names, number)
    everything = [names.node(number) for number in range(nodes)]
    for where in (HOST, HUB, *(node.name for node in everything)):
        steps += [
            _route(where, str(node.pod_subnet), f"via {node.ip}")
            for node in everything
            if node.name != where
        ]
    # From the host, Services are reached by the first node's kube-proxy.
    steps.append(_route(HOST, str(names.service_subnet), f"via {names.node(0).ip}"))
    return steps


def plan(steps: Iterable[Step], facts: set[tuple[str, str]]) -> list[Step]:
    """Return the steps whose fact does not hold yet."""
    return [step for step in steps if (step.where, step.fact) not in facts]


def read_facts(where: str, addresses: str, routes: str, forwarding: str) -> set[tuple[str, str]]:
    """Read what holds in a namespace.

    Args:
        where: the namespace.
        addresses: output of `ip -json address`.
        routes: output of `ip -json route`.
        forwarding: content of its ip_forward.
    """
    facts = {_FORWARDING} if forwarding.strip() == "1" else set()
    for link in json.loads(addresses or "[]"):
        name = link.get("ifname")
        facts.add(f"link {name}")
        if "UP" in link.get("flags", []):
            facts.add(f"up {name}")
        if "master" in link:
            facts.add(f"master {name} {link['master']}")
        facts.add(f"hardware {name} {link.get('address')}")
        for address in link.get("addr_info", []):
            facts.add(f"address {name} {address.get('local')}/{address.get('prefixlen')}")
    for route in json.loads(routes or "[]"):
        facts.add(f"route {_route_target(route)}")
    return {(where, fact) for fact in facts}


def _route_target(route: dict[str, str]) -> str:
    if route.get("type") == "unreachable":
        return f"{route['dst']} unreachable"
    if "gateway" in route:
        return f"{route['dst']} via {route['gateway']}"
    return f"{route['dst']} dev {route.get('dev')}"


def _hub(names: ClusterNames) -> Iterator[Step]:
    yield _up(HUB, "lo")
    yield Step(HUB, f"link {BRIDGE}", ("ip", "link", "add", BRIDGE, "type", "bridge"))
    yield _hardware(HUB, BRIDGE, names.api_ip)
    yield _address(HUB, BRIDGE, f"{names.api_ip}/{names.link_subnet.prefixlen}")
    yield _up(HUB, BRIDGE)


def _host_cable(names: ClusterNames) -> Iterator[Step]:
    host = names.host_interface
    yield _cable(HOST, host, "uplink", HUB)
    yield _plug("uplink")
    yield _up(HUB, "uplink")
    yield _address(HOST, host, f"{names.host_ip}/{names.link_subnet.prefixlen}")
    yield _up(HOST, host)


def _node(names: ClusterNames, number: int) -> Iterator[Step]:
    node = names.node(number)
    yield _up(node.name, "lo")
    yield _cable(HUB, node.hub_port, "eth0", node.name)
    yield _hardware(node.name, "eth0", node.ip)
    yield _plug(node.hub_port)
    yield _up(HUB, node.hub_port)
    yield _address(node.name, "eth0", f"{node.ip}/{names.link_subnet.prefixlen}")
    yield _up(node.name, "eth0")
    forward = ("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    yield Step(node.name, _FORWARDING, forward)
    # A packet to a Service needs some route before kube-proxy rewrites it.
    yield _route(node.name, str(names.service_subnet), "dev eth0")
    # There is no way out of the cluster: say so at once instead of hanging.
    unreachable = ("ip", "route", "replace", "unreachable", "default")
    yield Step(node.name, "route default unreachable", unreachable)


def _cable(where: str, name: str, peer: str, peer_where: str) -> Step:
    argv = ("ip", "link", "add", name, "type", "veth", "peer", "name", peer)
    return Step(where, f"link {name}", (*argv, "netns", f"{{{peer_where}}}"))


def _plug(port: str) -> Step:
    return Step(HUB, f"master {port} {BRIDGE}", ("ip", "link", "set", port, "master", BRIDGE))


def _hardware(where: str, link: str, ip: IPv4Address) -> Step:
    # A bridge takes the lowest of its ports' addresses, a new cable a random
    # one: neighbours would look for the old one for up to half a minute.
    address = ":".join(f"{byte:02x}" for byte in (0x02, 0x00, *ip.packed))
    argv = ("ip", "link", "set", link, "address", address)
    return Step(where, f"hardware {link} {address}", argv)


def _up(where: str, link: str) -> Step:
    return Step(where, f"up {link}", ("ip", "link", "set", link, "up"))


def _address(where: str, link: str, address: str) -> Step:
    argv = ("ip", "address", "add", address, "dev", link)
    return Step(where, f"address {link} {address}", argv)


def _route(where: str, subnet: str, target: str) -> Step:
    argv = ("ip", "route", "replace", subnet, *target.split())
    return Step(where, f"route {subnet} {target}", argv)
