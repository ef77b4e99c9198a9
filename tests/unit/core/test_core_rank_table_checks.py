"""What HCCL would refuse is found before publishing, and the message finds the chip."""

import pytest
from core_builders import alloc
from efficientnet_operator.core.allocations import Allocation, Device
from efficientnet_operator.core.rank_table_checks import Candidate, find_violation
from hypothesis import given
from hypothesis import strategies as st


def with_ip(host, device, address, pod="p"):
    return Allocation(pod, f"uid-{pod}", "10.1.0.1", host, "n", (Device(device, address),))


LEGAL = {
    "one chip on one host": [alloc("10.0.0.1", 3)],
    "two chips in the lower ring": [alloc("10.0.0.1", 0), alloc("10.0.0.1", 3)],
    "two chips in the upper ring": [alloc("10.0.0.1", 4, 7)],
    "four chips in one ring": [alloc("10.0.0.1", 4, 5, 6, 7)],
    "a whole server": [alloc("10.0.0.1", *range(8))],
    "two hosts of two": [alloc("10.0.0.1", 0, 1), alloc("10.0.0.2", 6), alloc("10.0.0.2", 7)],
    "nothing": [],
}


@pytest.mark.parametrize("allocations", LEGAL.values(), ids=LEGAL)
def test_legal_sets_may_be_published(allocations):
    assert find_violation(Candidate(allocations)) is None


ILLEGAL = {
    "hosts of different counts": (
        [alloc("10.0.0.1", 0, 1), alloc("10.0.0.2", 0)],
        "UnevenAllocation",
        ["10.0.0.1 has 2", "10.0.0.2 has 1", "1, 2, 4, 8", "npusPerHost"],
    ),
    "three chips": (
        [alloc("10.0.0.1", 0, 1, 2)],
        "UnevenAllocation",
        ["10.0.0.1 has 3", "1, 2, 4, 8"],
    ),
    "six chips": ([alloc("10.0.0.1", *range(6))], "UnevenAllocation", ["10.0.0.1 has 6"]),
    "four over two rings": (
        [alloc("10.0.0.1", 2, 3, 4, 5)],
        "UnevenAllocation",
        ["10.0.0.1 has devices 2, 3, 4, 5", "0-3, 4-7", "Volcano"],
    ),
    "two over two rings": (
        [alloc("10.0.0.1", 0), alloc("10.0.0.1", 4)],
        "UnevenAllocation",
        ["10.0.0.1 has devices 0, 4"],
    ),
    "an address that the plugin could not read": (
        [with_ip("10.0.0.1", 5, "-1", "b0-1-0")],
        "DeviceIPUnknown",
        ["b0-1-0", "10.0.0.1", "device 5", "'-1'", "hccn_tool", "writes -1"],
    ),
    "an address that is none": (
        [with_ip("10.0.0.1", 5, "300.1.1.1", "b0-1-0")],
        "DeviceIPUnknown",
        ["b0-1-0", "'300.1.1.1'", "want an address"],
    ),
    "one address on two hosts": (
        [
            with_ip("10.0.0.1", 0, "192.168.0.1", "b0-1-0"),
            with_ip("10.0.0.2", 1, "192.168.0.1", "b0-1-1"),
        ],
        "DuplicateDeviceIP",
        ["192.168.0.1", "device 0 of pod b0-1-0 on 10.0.0.1", "device 1 of pod b0-1-1"],
    ),
    "one chip in two pods": (
        [alloc("10.0.0.1", 0, pod="b0-1-0"), alloc("10.0.0.1", 0, pod="b0-1-1")],
        "DuplicateDevice",
        ["device 0 of host 10.0.0.1", "b0-1-0, b0-1-1", "stale"],
    ),
    "one chip twice in one pod": (
        [
            Allocation(
                "b0-1-0",
                "u",
                "10.1.0.1",
                "10.0.0.1",
                "n",
                (Device(0, "192.168.0.1"), Device(0, "192.168.0.2")),
            )
        ],
        "DuplicateDevice",
        ["device 0 of host 10.0.0.1", "b0-1-0"],
    ),
    "a chip that a 910 server does not have": (
        [alloc("10.0.0.1", 8, pod="b0-1-0")],
        "DeviceIDOutOfRange",
        ["b0-1-0", "10.0.0.1", "device 8", "0-7", "spec.accelerator"],
    ),
}


@pytest.mark.parametrize("allocations, reason, words", ILLEGAL.values(), ids=ILLEGAL)
def test_illegal_sets_are_named(allocations, reason, words):
    violation = find_violation(Candidate(allocations))
    assert violation.reason == reason
    for word in words:
        assert word in violation.message


EXPECTATIONS = {
    "a pod with fewer chips than asked for": (
        Candidate([alloc("10.0.0.1", 0, pod="b0-1-0")], npus=2, npus_per_pod=2),
        ["b0-1-0 has 1", "spec.npusPerPod 2"],
    ),
    "fewer chips in all": (
        Candidate([alloc("10.0.0.1", 0)], npus=2, npus_per_pod=1),
        ["1 NPUs in all", "spec.npus is 2"],
    ),
    "a CPU pod too few": (
        Candidate([alloc("10.0.0.1", 0)], accelerator="CPU", npus=2, npus_per_pod=1),
        ["1 NPUs in all", "spec.npus is 2"],
    ),
}


@pytest.mark.parametrize("candidate, words", EXPECTATIONS.values(), ids=EXPECTATIONS)
def test_counts_other_than_the_jobs_are_refused(candidate, words):
    violation = find_violation(candidate)
    assert violation.reason == "WrongDeviceCount"
    for word in words:
        assert word in violation.message


def test_a_910b_server_has_sixteen_chips_and_no_rings():
    allocations = [alloc("10.0.0.1", 0, 15)]
    assert find_violation(Candidate(allocations, "Ascend910B")) is None
    assert find_violation(Candidate([alloc("10.0.0.1", *range(16))], "Ascend910B")) is None
    assert find_violation(Candidate(allocations)).reason == "DeviceIDOutOfRange"
    seventeenth = find_violation(Candidate([alloc("10.0.0.1", 16)], "Ascend910B"))
    assert seventeenth.reason == "DeviceIDOutOfRange"
    assert "0-15" in seventeenth.message


def test_a_cpu_job_is_free_of_counts_rings_and_addresses():
    shared = (Device(0, "10.1.0.1"), Device(1, "10.1.0.1"), Device(40, "10.1.0.1"))
    odd = [Allocation("p", "u", "10.1.0.1", "10.0.0.1", "n", shared), alloc("10.0.0.2", 0)]
    assert find_violation(Candidate(odd, "CPU")) is None


def test_pods_are_the_servers_when_grouped_by_pod():
    allocations = [alloc("10.0.0.1", 0, pod="a"), alloc("10.0.0.1", 4, pod="b")]
    assert find_violation(Candidate(allocations, grouping="Pod")) is None
    uneven = [alloc("10.0.0.1", 0, pod="a"), alloc("10.0.0.1", 1, 2, pod="b")]
    message = find_violation(Candidate(uneven, grouping="Pod")).message
    assert "NPUs by pod: a has 1, b has 2" in message


def test_only_an_address_that_the_plugin_could_not_read_is_said_to_be_one():
    # Names of pods have a -1 too.
    unread = find_violation(Candidate([with_ip("10.0.0.1", 5, "-1", "b0-1-0")]))
    wrong = find_violation(Candidate([with_ip("10.0.0.1", 5, "300.1.1.1", "b0-1-0")]))
    assert "(the plugin writes -1 where it cannot read one)" in unread.message
    assert "the plugin writes" not in wrong.message


def test_the_one_uneven_host_of_many_is_named_first():
    even = [alloc(f"10.0.0.{i}", 0, 1) for i in range(10, 50)]
    message = find_violation(Candidate([*even, alloc("10.0.0.9", 0)])).message
    assert "NPUs by host: 10.0.0.9 has 1, 10.0.0.10 has 2, " in message
    assert "and 33 more" in message


def test_a_long_list_is_cut_short():
    message = find_violation(Candidate([alloc(f"10.0.0.{i}", 9) for i in range(40)])).message
    assert "and 37 more" in message


@given(
    counts=st.lists(st.integers(1, 8), min_size=1, max_size=5),
    shift=st.integers(0, 7),
)
def test_what_passes_is_what_the_server_rules_allow(counts, shift):
    chips = [sorted((shift + i) % 8 for i in range(count)) for count in counts]
    allocations = [alloc(f"10.0.0.{h}", *ids) for h, ids in enumerate(chips)]
    one_ring = all(len({i // 4 for i in ids}) == 1 for ids in chips)
    legal = len(set(counts)) == 1 and counts[0] in {1, 2, 4, 8} and (one_ring or counts[0] == 8)
    assert (find_violation(Candidate(allocations)) is None) == legal
