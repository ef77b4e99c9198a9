"""Who reaches whom under the chart's NetworkPolicies.

No network plugin that enforces policies runs here, so the policies are read as the
specification of networking.k8s.io/v1 says: a pod that a policy selects is closed but for what
some policy allows, and a connection has to be allowed at both ends.
"""

from dataclasses import dataclass, field

import pytest

OPTIONS = (
    "--set",
    "networkPolicy.enabled=true,watchNamespaces={a,b}",
    "--set-json",
    'networkPolicy.trainerEgress=[{"to":[{"ipBlock":{"cidr":"10.9.0.0/16"}}],"ports":[{"port":443}]}]',
)


@dataclass(frozen=True)
class Pod:
    namespace: str
    labels: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Host:
    """Something that is no pod of the cluster."""

    block: str = ""


OPERATOR = Pod(
    "enj-system",
    {f"app.kubernetes.io/{key}": "efficientnet-operator" for key in ("name", "instance")},
)
PROBE = Pod(
    "enj-system", {**OPERATOR.labels, "app.kubernetes.io/name": "efficientnet-operator-test"}
)
IMPOSTOR = Pod("a", OPERATOR.labels)
PROMETHEUS = Pod("monitoring", {"app.kubernetes.io/name": "prometheus"})
RANK, PEER = (Pod("a", {"efficientnet.dev/job-name": "b0"}) for _ in range(2))
ELSEWHERE = Pod("b", RANK.labels)
UNWATCHED = Pod("c", RANK.labels)
OTHER = Pod("a", {"app": "web"})
STORE, API_SERVER = Host("10.9.0.0/16"), Host()

CONNECTIONS = {
    "the operator asks a trainer": (OPERATOR, RANK, 8080, True),
    "and one in another namespace": (OPERATOR, ELSEWHERE, 8080, True),
    "but no rank": (OPERATOR, RANK, 2222, False),
    "a pod that only looks like it": (IMPOSTOR, RANK, 8080, False),
    "Prometheus scrapes a trainer": (PROMETHEUS, RANK, 8080, True),
    "Prometheus scrapes the operator": (PROMETHEUS, OPERATOR, 8080, True),
    "but asks no rank": (PROMETHEUS, RANK, 2222, False),
    "a rank and its mate": (RANK, PEER, 2222, True),
    "the eighth rank of a pod": (RANK, PEER, 2229, True),
    "a port that no rank has": (RANK, PEER, 2230, False),
    "a trainer does not ask a trainer": (RANK, PEER, 8080, False),
    "ranks of two namespaces": (RANK, ELSEWHERE, 2222, False),
    "a neighbour and a rank": (OTHER, RANK, 2222, False),
    "a neighbour and a trainer": (OTHER, RANK, 8080, False),
    "a neighbour and the operator": (OTHER, OPERATOR, 8080, False),
    "a rank and its neighbour": (RANK, OTHER, 80, False),
    "a rank and the operator": (RANK, OPERATOR, 8080, False),
    "a rank and the API server": (RANK, API_SERVER, 443, False),
    "a rank and the store that was named": (RANK, STORE, 443, True),
    "the operator and the API server": (OPERATOR, API_SERVER, 6443, True),
    "the operator and the world": (OPERATOR, API_SERVER, 80, False),
    "helm test": (PROBE, OPERATOR, 8080, True),
    "pods that no policy is about": (OTHER, PROMETHEUS, 9090, True),
    "nor about trainers that are not watched": (OTHER, UNWATCHED, 8080, True),
}


@pytest.fixture(scope="module")
def policies(helm):
    return [o for (kind, _), o in helm.render(*OPTIONS).items() if kind == "NetworkPolicy"]


@pytest.mark.parametrize(
    "access, want", [("off", False), ("port-forward", False), ("token", True)]
)
def test_the_status_page_is_reached_where_it_asks_for_tokens(helm, access, want):
    objects = helm.render(*OPTIONS, "--set", f"ui.access={access}")
    policies = [o for (kind, _), o in objects.items() if kind == "NetworkPolicy"]
    assert is_open(policies, OPERATOR, "Ingress", "from", OTHER, 8081) is want


@pytest.mark.parametrize("source, target, port, want", CONNECTIONS.values(), ids=CONNECTIONS)
def test_connections(policies, source, target, port, want):
    leaves = is_open(policies, source, "Egress", "to", target, port)
    arrives = is_open(policies, target, "Ingress", "from", source, port)
    assert (leaves and arrives) is want


def is_open(policies, pod, direction, side, other, port):
    """Tell whether a pod's policies let a connection with another through."""
    mine = [p for p in policies if direction in p["spec"]["policyTypes"] and selects(p, pod)]
    rules = [rule for p in mine for rule in p["spec"].get(direction.lower(), [])]
    return not mine or any(
        has_port(rule, port)
        and (side not in rule or any(is_peer(p, peer, other) for peer in rule[side]))
        for p in mine
        for rule in rules
    )


def selects(policy, pod):
    if isinstance(pod, Host) or pod.namespace != policy["metadata"]["namespace"]:
        return False
    return matches(policy["spec"]["podSelector"], pod.labels)


def is_peer(policy, peer, other):
    if isinstance(other, Host):
        return bool(other.block) and peer.get("ipBlock", {}).get("cidr") == other.block
    if "ipBlock" in peer:
        return False
    if "namespaceSelector" in peer:
        names = {"kubernetes.io/metadata.name": other.namespace}
        if not matches(peer["namespaceSelector"], names):
            return False
    elif other.namespace != policy["metadata"]["namespace"]:
        return False
    return matches(peer.get("podSelector", {}), other.labels)


def matches(selector, labels):
    wanted = selector.get("matchLabels", {})
    return wanted.items() <= labels.items() and all(
        e["key"] in labels and (e["operator"] == "Exists" or labels[e["key"]] in e["values"])
        for e in selector.get("matchExpressions", [])
    )


def has_port(rule, port):
    return any(p["port"] <= port <= p.get("endPort", p["port"]) for p in rule["ports"])
