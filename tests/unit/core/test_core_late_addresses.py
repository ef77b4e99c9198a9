"""A table that is published before all pods have addresses, and the addresses that follow."""

import json

import pytest
from core_builders import Cluster, a_job, is_empty
from efficientnet_operator.core.peers import add_addresses, lack_addresses
from efficientnet_operator.core.rank_table import encode, hash_file
from efficientnet_operator.core.stages import publishing

TABLE = "efficientnet.dev/rank-table"
PEERS = "efficientnet.dev/peers"
NUDGE = "efficientnet.dev/nudge"
ADDRESS = "10.1.0.99"


def bound_but_for_addresses(*without):
    """Return a job of four ranks on two hosts whose NPUs are known, but not all addresses."""
    cluster = Cluster(a_job(4, scheduling={"npusPerHost": 2}))
    cluster.settle()
    cluster.bind()
    for name in without:
        cluster.change(name, pod_ip="")
    return cluster


def published(*without):
    cluster = bound_but_for_addresses(*without)
    cluster.settle()
    assert cluster.condition("Allocated") == ("True", "RankTablePublished")
    return cluster


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
    cluster = published("b0-1-1", "b0-1-2")
    table = json.loads(files(cluster)["hccl.json"])
    assert (table["status"], table["server_count"]) == ("completed", "2")
    assert [pod for pod, ip in addresses(cluster).items() if not ip] == ["b0-1-1", "b0-1-2"]
    assert cluster.status["rankTable"]["sha256"] == hashes(cluster)[TABLE]
    assert are_told(cluster)


def test_addresses_follow_once_when_all_are_known():
    cluster = published("b0-1-1", "b0-1-2")
    before = dict(files(cluster))
    cluster.change("b0-1-1", pod_ip=ADDRESS)
    assert is_empty(cluster.turn())
    for name in cluster.pods:
        cluster.change(name, started=True)
    cluster.change("b0-1-2", pod_ip="10.1.0.98")
    cluster.change("b0-1-0", pod_ip="10.1.0.97")  # its sandbox was made anew
    first, *nudges = cluster.turn().patches
    assert (first.resource.kind, list(first.body["data"])) == ("ConfigMap", ["peers.json"])
    assert [n.name for n in nudges] == [f"b0-1-{i}" for i in range(4)]
    assert files(cluster)["hccl.json"] == before["hccl.json"]
    assert addresses(cluster) == {name: pod.pod_ip for name, pod in cluster.pods.items()}
    assert are_told(cluster)
    cluster.settle()
    assert is_empty(cluster.turn())


@pytest.mark.parametrize("spare, reason", [(29, "RankTableTooLarge"), (30, "RankTablePublished")])
def test_room_is_kept_for_the_addresses_that_follow(spare, reason, monkeypatch):
    size = sum(map(len, files(published("b0-1-1", "b0-1-2")).values()))
    monkeypatch.setattr(publishing, "CONFIG_MAP_BYTES", size + spare)
    cluster = bound_but_for_addresses("b0-1-1", "b0-1-2")
    cluster.settle()
    assert cluster.condition("Allocated")[1] == reason


def test_only_ranks_that_wait_are_told_of_addresses():
    cluster = published("b0-1-2")
    cluster.change("b0-1-0", started=True, ready=True)
    cluster.change("b0-1-1", started=True)
    cluster.change("b0-1-2", pod_ip=ADDRESS)
    _, *nudges = cluster.turn().patches
    assert [n.name for n in nudges] == ["b0-1-1"]
    cluster.change("b0-1-3", started=True)
    (nudge,) = cluster.turn().patches
    assert nudge.name == "b0-1-3"
    cluster.start()
    cluster.settle()
    assert cluster.condition("Running") == ("True", "AllRanksReady")


def test_nudges_are_counted_from_the_last_publication():
    cluster = published("b0-1-2")
    cluster.start()
    cluster.change("b0-1-3", ready=False)
    cluster.turn(60)
    assert cluster.pods["b0-1-3"].annotations[NUDGE] == "2"
    cluster.change("b0-1-2", pod_ip=ADDRESS)
    _, first = cluster.turn().patches
    again = [patch for seconds in (1, 3) for patch in cluster.turn(seconds).patches]
    said = [patch.body["metadata"]["annotations"] for patch in (first, *again)]
    assert said == [{**hashes(cluster), NUDGE: None}, {NUDGE: "1"}, {NUDGE: "2"}]


@pytest.mark.parametrize(
    "peers",
    ["", "[]", "no JSON", '[{"podIP":""}]', '{"pod":1,"podIP":""}', '"pod": "b0-1-0"'],
)
def test_what_somebody_else_made_of_the_file_stays(peers):
    assert add_addresses(peers, {"b0-1-0": "10.9.9.9"}) == peers


def test_an_address_that_is_not_known_stays():
    entries = [
        {"rank": 0, "pod": "a", "podIP": "", "port": 2222},
        {"rank": 1, "pod": "a", "podIP": "", "port": 2223},
        {"rank": 2, "pod": "b", "podIP": "10.0.0.2", "port": 2222},
        {"rank": 3, "pod": "c", "podIP": "", "port": 2222},
    ]
    text = add_addresses(encode(entries), {"a": "fd00::1", "c": ""})
    assert [e["podIP"] for e in json.loads(text)] == ["fd00::1", "fd00::1", "10.0.0.2", ""]
    assert lack_addresses(text)
    assert not lack_addresses(add_addresses(text, {"c": "10.0.0.3"}))
