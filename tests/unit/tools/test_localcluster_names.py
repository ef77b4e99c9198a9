"""Names and addresses of clusters: none is shared, none too long, none taken from others."""

from ipaddress import IPv4Network
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from localcluster.errors import ClusterError
from localcluster.names import (
    MAX_CLUSTERS,
    MAX_NODES,
    ClusterNames,
    address_block,
    check_name,
    choose_index,
)

LONGEST_INTERFACE_NAME = 15

indexes = st.integers(0, MAX_CLUSTERS - 1)


def cluster(index, name="dev"):
    return ClusterNames(name, index, Path("/state") / name)


def everything(names):
    """All that is one cluster's alone on a machine, but for its folder."""
    nodes = [names.node(number) for number in range(MAX_NODES)]
    return {names.host_interface, names.cgroup, *(node.cgroup for node in nodes)}


@given(st.sets(indexes, min_size=2, max_size=2))
def test_clusters_of_two_indexes_share_no_name_and_no_address(pair):
    first, second = (cluster(index) for index in pair)
    assert everything(first).isdisjoint(everything(second))
    assert not first.block.overlaps(second.block)


@given(indexes)
def test_subnets_of_a_cluster_lie_in_its_block_and_apart(index):
    names = cluster(index)
    subnets = [names.link_subnet, names.service_subnet, names.pod_subnet]
    assert all(subnet.subnet_of(names.block) for subnet in subnets)
    assert not any(a.overlaps(b) for a, b in combinations(subnets, 2))


@given(indexes, st.sets(st.integers(0, MAX_NODES - 1), min_size=2, max_size=2))
def test_nodes_of_a_cluster_share_nothing(index, pair):
    first, second = (cluster(index).node(number) for number in pair)
    assert first.name != second.name
    assert first.ip != second.ip
    assert first.hub_port != second.hub_port
    assert first.folder != second.folder
    assert not first.pod_subnet.overlaps(second.pod_subnet)


@given(indexes)
def test_fixed_addresses_are_distinct_and_inside_their_subnets(index):
    names = cluster(index)
    nodes = [names.node(number) for number in range(MAX_NODES)]
    linked = [names.host_ip, names.api_ip, *(node.ip for node in nodes)]
    assert len(set(linked)) == len(linked)
    assert all(ip in names.link_subnet for ip in linked)
    assert names.api_service_ip in names.service_subnet
    assert all(node.pod_subnet.subnet_of(names.pod_subnet) for node in nodes)


@given(indexes)
def test_interface_names_fit_the_kernel(index):
    names = cluster(index, name="a" * 20)
    ports = [names.node(number).hub_port for number in range(MAX_NODES)]
    assert max(map(len, [names.host_interface, *ports])) <= LONGEST_INTERFACE_NAME


@pytest.mark.parametrize("name", ["dev", "a", "e2e-12345", "x" * 20])
def test_good_names_are_taken(name):
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "Dev", "1st", "a-", "a_b", "a/b", "..", "x" * 21, "dev\n"])
def test_bad_names_are_refused_with_an_example(name):
    with pytest.raises(ClusterError, match="for example --name dev"):
        check_name(name)


INDEX_CASES = {
    "the first cluster": (set(), [], 0),
    "the lowest that is free": ({0, 1, 3}, [], 2),
    "a default route is in nobody's way": (set(), ["0.0.0.0/0"], 0),
    "a company's 10.0.0.0/8 leaves room for narrower routes": (set(), ["10.0.0.0/8"], 0),
    "a network of the same size is left alone": (set(), ["10.200.0.0/16"], 1),
    "a small network inside is left alone": (set(), ["10.200.7.0/24", "10.201.0.1/32"], 2),
    "a container engine's bigger network is left alone": ({0}, ["10.200.0.0/14"], 4),
    "networks elsewhere do not count": (set(), ["172.17.0.0/16", "192.168.0.0/16"], 0),
}


@pytest.mark.parametrize("taken, routes, want", INDEX_CASES.values(), ids=INDEX_CASES)
def test_choose_index(taken, routes, want):
    assert choose_index(taken, [IPv4Network(route) for route in routes]) == want


def test_a_full_machine_says_how_to_make_room():
    with pytest.raises(ClusterError, match="down --name NAME"):
        choose_index(set(range(MAX_CLUSTERS)), [])


def test_the_last_block_stays_private():
    assert address_block(MAX_CLUSTERS - 1).is_private


@pytest.mark.parametrize("number", [-1, MAX_NODES])
def test_a_node_beyond_the_subnets_is_refused(number):
    with pytest.raises(ClusterError, match=f"node number {number} is outside"):
        cluster(0).node(number)
