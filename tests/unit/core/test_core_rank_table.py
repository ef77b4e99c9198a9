"""The rank table is a pure function of a set: forms, order, golden files."""

import random
from pathlib import Path

import pytest
from core_builders import alloc
from efficientnet_operator.core.allocations import Allocation, Device
from efficientnet_operator.core.peers import build_peers
from efficientnet_operator.core.rank_table import (
    assign_ranks,
    build_rank_table,
    encode,
    hash_file,
    rank_devices,
)
from efficientnet_operator.core.rank_table_checks import Candidate, find_violation
from hypothesis import given
from hypothesis import strategies as st

CONTRACT = Path(__file__).parents[2] / "contract"

RANK_CASES = {
    "one host, one device": ([alloc("10.0.0.1", 0)], {("10.0.0.1", 0): 0}),
    "arrival order does not change ranks": (
        [alloc("10.0.0.2", 0), alloc("10.0.0.1", 3), alloc("10.0.0.1", 1), alloc("10.0.0.2", 5)],
        {("10.0.0.1", 1): 0, ("10.0.0.1", 3): 1, ("10.0.0.2", 0): 2, ("10.0.0.2", 5): 3},
    ),
    "hosts sort bytewise": (
        [alloc("10.0.0.9", 0), alloc("10.0.0.10", 0)],
        {("10.0.0.10", 0): 0, ("10.0.0.9", 0): 1},
    ),
    "device ids sort as numbers": (
        [alloc("10.0.0.1", 10, 2)],
        {("10.0.0.1", 2): 0, ("10.0.0.1", 10): 1},
    ),
    "interleaved pods of a host rank by device": (
        [alloc("10.0.0.1", 0, 3, pod="a"), alloc("10.0.0.1", 1, 2, pod="b")],
        {("10.0.0.1", 0): 0, ("10.0.0.1", 1): 1, ("10.0.0.1", 2): 2, ("10.0.0.1", 3): 3},
    ),
    "racks come before hosts": (
        [alloc("10.0.0.1", 0, topology="r2"), alloc("10.0.0.2", 0, topology="r1")],
        {("10.0.0.2", 0): 0, ("10.0.0.1", 0): 1},
    ),
    "a host whose nodes disagree about the rack stays together": (
        [
            alloc("10.0.0.1", 0, topology="r1"),
            alloc("10.0.0.1", 1, topology="r3"),
            alloc("10.0.0.2", 0, topology="r2"),
        ],
        {("10.0.0.1", 0): 0, ("10.0.0.1", 1): 1, ("10.0.0.2", 0): 2},
    ),
    "no devices, no ranks": ([], {}),
}


@pytest.mark.parametrize("allocations, want", RANK_CASES.values(), ids=RANK_CASES)
def test_assign_ranks(allocations, want):
    assert assign_ranks(allocations) == want


def test_legacy_ignores_the_rack_as_hccl_does():
    allocations = [alloc("10.0.0.1", 0, topology="r2"), alloc("10.0.0.2", 0, topology="r1")]
    assert [r.server_id for r in rank_devices(allocations, "Legacy")] == ["10.0.0.1", "10.0.0.2"]


def test_two_pods_of_a_host_share_a_server_entry():
    table = build_rank_table(rank_devices([alloc("10.0.0.1", 1), alloc("10.0.0.1", 0)]))
    assert table["server_count"] == "1"
    assert [d["rank_id"] for d in table["server_list"][0]["device"]] == ["0", "1"]


def test_each_pod_is_a_server_when_grouped_by_pod():
    allocations = [alloc("10.0.0.1", 1, pod="a"), alloc("10.0.0.1", 0, pod="b")]
    table = build_rank_table(rank_devices(allocations, "1.0", "Pod"))
    assert [s["server_id"] for s in table["server_list"]] == ["uid-b", "uid-a"]


def test_legacy_pods_of_equal_names_are_two_instances():
    allocations = [
        alloc("10.0.0.1", 0, pod="b0-1-0", pod_uid="u1"),
        alloc("10.0.0.2", 0, pod="b0-1-0", pod_uid="u2"),
    ]
    table = build_rank_table(rank_devices(allocations, "Legacy"), "Legacy")
    assert table["group_list"][0]["instance_count"] == "2"


def test_the_hash_is_what_sha256sum_says():
    # printf 'a\nb' | sha256sum
    # pragma: allowlist nextline secret
    want = "7e18f737311b2dc3b2f269dd78396b0351f14fb66efa879f768cb23181883c78"
    assert hash_file("a\nb") == want


@st.composite
def allocation_sets(draw):
    """Any mixture of hosts, pods and devices; racks may disagree within a host."""
    hosts = [f"10.{a}.0.{b}" for a, b in draw(st.sets(PAIRS, min_size=1, max_size=6))]
    found = []
    for host in hosts:
        pod_of = draw(st.dictionaries(st.integers(0, 15), st.integers(0, 3), max_size=8))
        for pod in sorted(set(pod_of.values())):
            ids = sorted(i for i, owner in pod_of.items() if owner == pod)
            name = f"p{pod}-{host}"
            devices = tuple(Device(i, f"192.168.{i}.{len(found)}") for i in ids)
            uid = draw(st.uuids())
            rack = draw(st.sampled_from(["", "r1", "r2"]))
            found.append(
                Allocation(name, str(uid), "10.9.0.1", host, f"node-{host}", devices, rack)
            )
    return found


PAIRS = st.tuples(st.integers(0, 20), st.integers(0, 255))
FORMS = [("1.0", "Host"), ("1.0", "Pod"), ("Legacy", "Host"), ("Legacy", "Pod")]


def published(allocations, version, grouping):
    ranked = rank_devices(allocations, version, grouping)
    return encode(build_rank_table(ranked, version)), encode(build_peers(ranked))


def derive_as_hccl(table):
    """Return (server_id, device_id) in the order of HCCL's ranks, from the document alone."""
    if "version" in table:
        devices = [(s["server_id"], d) for s in table["server_list"] for d in s["device"]]
        ordered = sorted(devices, key=lambda e: int(e[1]["rank_id"]))
        return [(server, d["device_id"]) for server, d in ordered]
    instances = table["group_list"][0]["instance_list"]
    devices = [(i["server_id"], int(d["device_id"])) for i in instances for d in i["devices"]]
    return [(server, str(d)) for server, d in sorted(devices)]


@pytest.mark.parametrize("version, grouping", FORMS)
@given(allocations=allocation_sets(), seed=st.randoms())
def test_any_order_gives_the_same_bytes(version, grouping, allocations, seed):
    shuffled = list(allocations)
    seed.shuffle(shuffled)
    assert published(allocations, version, grouping) == published(shuffled, version, grouping)


@pytest.mark.parametrize("version, grouping", FORMS)
@given(allocations=allocation_sets())
def test_ranks_are_dense_and_never_interleave_across_servers(version, grouping, allocations):
    ranked = rank_devices(allocations, version, grouping)
    assert [r.rank for r in ranked] == list(range(sum(len(a.devices) for a in allocations)))
    runs = [
        r.server_id
        for i, r in enumerate(ranked)
        if not i or ranked[i - 1].server_id != r.server_id
    ]
    assert len(runs) == len(set(runs))


@pytest.mark.parametrize("version, grouping", FORMS)
@given(allocations=allocation_sets())
def test_hccl_derives_the_ranks_that_peers_tell(version, grouping, allocations):
    ranked = rank_devices(allocations, version, grouping)
    table = build_rank_table(ranked, version)
    want = [(r.server_id, str(r.device.device_id)) for r in ranked]
    assert derive_as_hccl(table) == want
    peers = build_peers(ranked)
    assert [(p["rank"], p["pod"]) for p in peers] == [(r.rank, r.allocation.pod) for r in ranked]
    assert len({(p["pod"], p["port"]) for p in peers}) == len(peers)


@given(allocations=allocation_sets(), version=st.sampled_from(["1.0", "Legacy"]))
def test_every_scalar_is_a_string(allocations, version):
    def scalars(node):
        if isinstance(node, dict):
            return [s for v in node.values() for s in scalars(v)]
        return [s for v in node for s in scalars(v)] if isinstance(node, list) else [node]

    table = build_rank_table(rank_devices(allocations, version), version)
    assert all(isinstance(s, str) for s in scalars(table))


@given(hosts=st.integers(1, 12), per_host=st.sampled_from([1, 2, 4, 8]), seed=st.integers())
def test_a_full_job_passes_the_checks_and_counts_its_servers(hosts, per_host, seed):
    allocations = [alloc(f"10.0.0.{h}", i) for h in range(hosts) for i in range(per_host)]
    random.Random(seed).shuffle(allocations)
    assert find_violation(Candidate(allocations, npus=hosts * per_host, npus_per_pod=1)) is None
    table = build_rank_table(rank_devices(allocations))
    assert table["server_count"] == str(len(table["server_list"])) == str(hosts)
    assert len({s["server_id"] for s in table["server_list"]}) == hosts


def test_one_config_map_holds_a_job_of_8192_npus():
    allocations = [alloc(f"10.{h // 250}.0.{h % 250}", *range(8)) for h in range(1024)]
    table, peers = published(allocations, "1.0", "Host")
    assert len(table) < 85 * 8192
    assert len(table) + len(peers) < 1_500_000
