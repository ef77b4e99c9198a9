"""What is published for given allocations equals the golden files that the trainer reads too."""

import json
from pathlib import Path

import pytest
from core_builders import a_pod
from efficientnet_operator.core.allocations import (
    Allocation,
    Device,
    assign_cpu_allocations,
    parse_allocation,
)
from efficientnet_operator.core.peers import build_peers
from efficientnet_operator.core.rank_table import build_rank_table, encode, rank_devices

CONTRACT = Path(__file__).parents[2] / "contract"


def one_npu_pod(name, pod_ip, host, device, address):
    return Allocation(name, f"uid-{name}", pod_ip, host, f"n-{host}", (Device(device, address),))


FOUR_PODS = [
    one_npu_pod("b0-1-0", "10.245.0.5", "10.250.0.10", 5, "192.168.5.10"),
    one_npu_pod("b0-1-1", "10.245.1.4", "10.250.0.9", 0, "192.168.0.9"),
    one_npu_pod("b0-1-2", "10.245.1.5", "10.250.0.9", 1, "192.168.1.9"),
    one_npu_pod("b0-1-3", "10.245.0.4", "10.250.0.10", 4, "192.168.4.10"),
]
CPU_PODS = [
    a_pod(0, host_ip="10.250.0.9", pod_ip="10.245.1.4"),
    a_pod(1, host_ip="10.250.0.10", pod_ip="10.245.0.4"),
]
GOLDEN = {
    "host": (FOUR_PODS, "1.0", "Host"),
    "pod": (FOUR_PODS, "1.0", "Pod"),
    "legacy": (FOUR_PODS, "Legacy", "Host"),
    "cpu": (assign_cpu_allocations(CPU_PODS, 2), "1.0", "Host"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_published_files_equal_the_golden_ones_byte_for_byte(name):
    allocations, version, grouping = GOLDEN[name]
    ranked = rank_devices(allocations, version, grouping)
    want = (CONTRACT / f"rank-table-{name}.json").read_text().rstrip("\n")
    assert encode(build_rank_table(ranked, version)) == want
    want = (CONTRACT / f"peers-{name}.json").read_text().rstrip("\n")
    assert encode(build_peers(ranked)) == want


def devices_of(table):
    """Return (server_id, device id, address) by rank; Legacy as HCCL derives it."""
    if "version" in table:
        ranked = [
            (int(d["rank_id"]), s["server_id"], int(d["device_id"]), d["device_ip"])
            for s in table["server_list"]
            for d in s["device"]
        ]
        return [entry[1:] for entry in sorted(ranked)]
    return sorted(
        (i["server_id"], int(d["device_id"]), d["device_ip"])
        for i in table["group_list"][0]["instance_list"]
        for d in i["devices"]
    )


def allocations_of(document, grouping):
    """Rebuild the allocations that an environment's table and peers speak of."""
    peers = document["peers.json"]
    # Grouped by pod the table does not tell the host; all such pods share one here.
    hosts = {p["podEnvironment"]["HOST_IP"] for p in document["pods"]}
    found = {}
    entries = zip(peers, devices_of(document["hccl.json"]), strict=True)
    for peer, (server, device, address) in entries:
        host = server if grouping == "Host" else min(hosts)
        uid = server if grouping == "Pod" else f"uid-{peer['pod']}"
        _, _, _, devices = found.setdefault(peer["pod"], (host, uid, peer["podIP"], []))
        devices.append(Device(device, address))
    return [
        Allocation(pod, uid, ip, host, f"n-{host}", tuple(sorted(devices)))
        for pod, (host, uid, ip, devices) in sorted(found.items(), reverse=True)
    ]


ENVIRONMENTS = {
    "environments-host.json": ("1.0", "Host"),
    "environments-two-npus-per-pod.json": ("1.0", "Host"),
    "environments-cpu.json": ("1.0", "Host"),
    "environments-pod.json": ("1.0", "Pod"),
    "environments-legacy.json": ("Legacy", "Host"),
}


def test_every_environment_of_the_contract_is_compared():
    assert {p.name for p in CONTRACT.glob("environments*.json")} == set(ENVIRONMENTS)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_tables_of_the_trainers_environments_are_those_we_build(name):
    version, grouping = ENVIRONMENTS[name]
    document = json.loads((CONTRACT / name).read_text())
    ranked = rank_devices(allocations_of(document, grouping), version, grouping)
    table = build_rank_table(ranked, version)
    assert build_peers(ranked) == document["peers.json"]
    if version == "1.0":
        assert table == document["hccl.json"]
        return
    # The group's name and the order of instances mean nothing to HCCL.
    ours, theirs = table["group_list"][0], document["hccl.json"]["group_list"][0]
    assert ours.keys() == theirs.keys()
    assert table.keys() == document["hccl.json"].keys()
    for group in (ours, theirs):
        group["instance_list"].sort(key=lambda i: i["pod_name"])
        del group["group_name"]
    assert ours == theirs


ANNOTATED = [
    (name, pod)
    for name in ENVIRONMENTS
    for pod in json.loads((CONTRACT / name).read_text())["pods"]
    if pod["annotations"]
]


@pytest.mark.parametrize(
    "name, pod",
    ANNOTATED,
    ids=[f"{n}-{p['podEnvironment']['JOB_POD_NAME']}" for n, p in ANNOTATED],
)
def test_annotations_of_the_trainers_environments_give_the_devices_of_their_tables(name, pod):
    table = json.loads((CONTRACT / name).read_text())["hccl.json"]
    found = parse_allocation(
        a_pod(annotations=pod["annotations"], host_ip=pod["podEnvironment"]["HOST_IP"])
    )
    assert found.host == pod["podEnvironment"]["HOST_IP"]
    known = {(device, address) for _, device, address in devices_of(table)}
    assert {(d.device_id, d.device_ip) for d in found.devices} <= known
    own = {int(r["set"]["DEVICE_ID"]) for r in pod["ranks"] if "DEVICE_ID" in r["set"]}
    assert own <= {d.device_id for d in found.devices}
