"""A table that is published before all pods have addresses, and the addresses that follow."""

import json

import pytest
from core_builders import Cluster, a_job, is_empty
from efficientnet_operator.core.peers import add_addresses, lack_addresses
from efficientnet_operator.core.rank_table import encode, hash_file

TABLE = "efficientnet.dev/rank-table"
PEERS = "efficientnet.dev/peers"
NUDGE = "efficientnet.dev/nudge"


def published(*without):
    """Return a job of four ranks on two hosts, published while some had no address yet."""
    cluster = Cluster(a_job(4, scheduling={"npusPerHost": 2}))
    cluster.settle()
    cluster.bind()
    known = {name: cluster.pods[name].pod_ip for name in without}
    for name in without:
        cluster.change(name, pod_ip="")
    cluster.settle()
    assert cluster.condition("Allocated") == ("True", "RankTablePublished")
    return cluster, known


def files(cluster):
    return cluster.config_maps["b0-1-rank-table"]["data"]


def hashes(cluster):
    keys = {TABLE: "hccl.json", PEERS: "peers.json"}
    return {key: hash_file(files(cluster)[name]) for key, name in keys.items()}


def are_told(cluster):
    """Tell whether every pod carries the hashes of both files."""
    wanted = hashes(cluster)
    return all(pod.annotations.items() >= wanted.items() for pod in cluster.pods.values())


def addresses(cluster):
    return {peer["pod"]: peer["podIP"] for peer in json.loads(files(cluster)["peers.json"])}


def test_the_table_waits_for_no_address():
    cluster, _ = published("b0-1-1", "b0-1-2")
    table = json.loads(files(cluster)["hccl.json"])
    assert (table["status"], table["server_count"]) == ("completed", "2")
    assert [pod for pod, ip in addresses(cluster).items() if not ip] == ["b0-1-1", "b0-1-2"]
    assert cluster.status["rankTable"]["sha256"] == hashes(cluster)[TABLE]
    assert are_told(cluster)


def test_addresses_follow_once_when_all_are_known():
    cluster, known = published("b0-1-1", "b0-1-2")
    before, table = dict(files(cluster)), cluster.status["rankTable"]
    cluster.change("b0-1-1", pod_ip=known["b0-1-1"])
    assert is_empty(cluster.turn())
    cluster.change("b0-1-2", pod_ip=known["b0-1-2"])
    first, *nudges = cluster.turn().patches
    assert (first.resource.kind, list(first.body["data"])) == ("ConfigMap", ["peers.json"])
    assert [n.name for n in nudges] == [f"b0-1-{i}" for i in range(4)]
    assert files(cluster)["hccl.json"] == before["hccl.json"]
    assert addresses(cluster).items() >= known.items()
    assert all(addresses(cluster).values())
    assert cluster.status["rankTable"] == table
    assert are_told(cluster)
    cluster.settle()
    assert is_empty(cluster.turn())


def test_a_ready_rank_is_not_told_of_addresses():
    cluster, known = published("b0-1-2")
    cluster.start()
    cluster.change("b0-1-3", ready=False)
    cluster.change("b0-1-2", pod_ip=known["b0-1-2"])
    _, *nudges = cluster.turn().patches
    assert [n.name for n in nudges] == ["b0-1-3"]
    cluster.change("b0-1-3", ready=True)
    cluster.settle()
    assert cluster.condition("Running") == ("True", "AllRanksReady")


def test_nudges_are_counted_for_each_publication():
    cluster, known = published("b0-1-2")
    cluster.start()
    cluster.change("b0-1-3", ready=False)
    cluster.turn(5)
    assert cluster.pods["b0-1-3"].annotations[NUDGE] == "2"
    cluster.change("b0-1-2", pod_ip=known["b0-1-2"])
    _, nudge = cluster.turn().patches
    assert nudge.body["metadata"]["annotations"] == {**hashes(cluster), NUDGE: None}
    (again,) = cluster.turn().patches
    assert again.body["metadata"]["annotations"] == {NUDGE: "2"}
    assert is_empty(cluster.turn())


@pytest.mark.parametrize(
    "peers",
    ["", "[]", "no JSON", '[{"podIP":""}]', '"pod":"b0-1-0","podIP":"10.1.0.1"'],
)
def test_what_somebody_else_made_of_the_file_stays(peers):
    assert add_addresses(peers, {"b0-1-0": "10.9.9.9"}) == peers


def test_only_what_lacks_an_address_gets_one():
    entries = [
        {"rank": 0, "pod": "a", "podIP": "", "port": 2222},
        {"rank": 1, "pod": "a", "podIP": "", "port": 2223},
        {"rank": 2, "pod": "b", "podIP": "10.0.0.2", "port": 2222},
        {"rank": 3, "pod": "c", "podIP": "", "port": 2222},
    ]
    text = add_addresses(encode(entries), {"a": "fd00::1", "b": "10.9.9.9"})
    assert [e["podIP"] for e in json.loads(text)] == ["fd00::1", "fd00::1", "10.0.0.2", ""]
    assert lack_addresses(text)
    assert not lack_addresses(add_addresses(text, {"c": "10.0.0.3"}))
