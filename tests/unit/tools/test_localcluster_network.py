"""The network plan: whole from nothing, empty on what stands, small for what is missing."""

import json
from pathlib import Path

import pytest
from localcluster.names import ClusterNames
from localcluster.network import HOST, HUB, build_steps, plan, read_facts

NAMES = ClusterNames("dev", 3, Path("/state/dev"))


def facts_of(steps):
    return {(step.where, step.fact) for step in steps}


def run(steps):
    """Which links each namespace has after running the steps, if nothing is made twice."""
    links = {}
    for step in steps:
        words = list(step.argv)
        if words[:3] == ["ip", "link", "add"]:
            made = {(step.where, words[3])}
            if "peer" in words:
                made.add((words[-1].strip("{}"), words[words.index("name") + 1]))
            assert not made & set(links), "a link is made twice"
            links.update(dict.fromkeys(made))
        elif words[:3] == ["ip", "link", "set"] and words[3] != "lo":
            assert (step.where, words[3]) in links, f"{words} before the link is there"
    return set(links)


@pytest.mark.parametrize("nodes", [1, 2, 5])
def test_a_plan_from_nothing_runs_in_order(nodes):
    links = run(plan(build_steps(NAMES, nodes), facts=set()))
    assert {name for where, name in links if where == HOST} == {"enj3"}
    assert {where for where, name in links if name == "eth0"} == {
        f"node{number}" for number in range(nodes)
    }


@pytest.mark.parametrize("nodes", [1, 2, 5])
def test_a_plan_on_what_it_made_is_empty(nodes):
    steps = build_steps(NAMES, nodes)
    assert plan(steps, facts_of(steps)) == []


def test_no_fact_is_wanted_twice():
    steps = build_steps(NAMES, 3)
    assert len(facts_of(steps)) == len(steps)


def test_an_unplugged_cable_is_plugged_in_again():
    steps = build_steps(NAMES, 2)
    needed = plan(steps, facts_of(steps) - {(HUB, "up port1")})
    assert [step.argv for step in needed] == [("ip", "link", "set", "port1", "up")]


def test_a_new_node_leaves_those_that_stand_alone():
    added = plan(build_steps(NAMES, 3), facts_of(build_steps(NAMES, 2)))
    changes = [step for step in added if step.argv[1] != "route"]
    assert changes
    assert all(
        "node2" in (step.where, step.argv[-1].strip("{}")) or "port2" in step.argv
        for step in changes
    )


def test_every_part_knows_the_way_to_every_pod():
    facts = facts_of(build_steps(NAMES, 3))
    for node in map(NAMES.node, range(3)):
        route = f"route {node.pod_subnet} via {node.ip}"
        knowing = {where for where, fact in facts if fact == route}
        assert knowing == {HOST, HUB, "node0", "node1", "node2"} - {node.name}


# As `ip -json` of iproute2 6.1 prints them.
ADDRESSES = [
    {
        "ifname": "eth0",
        "flags": ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
        "address": "02:00:0a:cb:00:0a",
        "addr_info": [{"family": "inet", "local": "10.203.0.10", "prefixlen": 24}],
    },
    {"ifname": "port0", "flags": ["BROADCAST"], "master": "bridge0", "addr_info": []},
    {},
]
ROUTES = [
    {"type": "unreachable", "dst": "default", "flags": []},
    {"dst": "10.203.129.0/24", "gateway": "10.203.0.11", "dev": "eth0", "flags": []},
    {"dst": "10.203.16.0/20", "dev": "eth0", "scope": "link", "flags": []},
]


def test_facts_are_read_in_the_words_of_the_steps():
    facts = {
        fact for _, fact in read_facts("node0", json.dumps(ADDRESSES), json.dumps(ROUTES), "1\n")
    }
    wanted = {
        step.fact
        for step in build_steps(NAMES, 2)
        if step.where == "node0" and step.fact != "up lo"
    }
    assert wanted <= facts
    assert "master port0 bridge0" in facts
    assert "up port0" not in facts


def test_a_namespace_with_nothing_in_it_has_no_facts():
    assert read_facts("node0", "", "", "0\n") == set()
