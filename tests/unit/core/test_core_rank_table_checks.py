"""What HCCL would refuse is found before publishing, and the message finds the chip."""

import pytest
from core_builders import alloc
from efficientnet_operator.core.allocations import Allocation, Device, Violation
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


SAME_COUNT = (
    "HCCL wants the same count on each, one of 1, 2, 4, 8; set spec.scheduling.npusPerHost, or "
    "spec.npusPerPod to take whole servers"
)
ONE_RING = (
    "use pods of several NPUs (spec.npusPerPod) or Huawei's Volcano plugin, which place by ring"
)
HCCN_TOOL = "set the NPU's address with hccn_tool on that host, then restart the device plugin"
STALE = "one annotation is stale: delete its pod and look at the device plugin's log on that host"
ILLEGAL = {
    "hosts of different counts": (
        [alloc("10.0.0.1", 0, 1), alloc("10.0.0.2", 0)],
        "UnevenAllocation",
        f"NPUs by host: 10.0.0.1 has 2, 10.0.0.2 has 1; {SAME_COUNT}",
    ),
    "three chips": (
        [alloc("10.0.0.1", 0, 1, 2)],
        "UnevenAllocation",
        f"NPUs by host: 10.0.0.1 has 3; {SAME_COUNT}",
    ),
    "six chips": (
        [alloc("10.0.0.1", *range(6))],
        "UnevenAllocation",
        f"NPUs by host: 10.0.0.1 has 6; {SAME_COUNT}",
    ),
    "four over two rings": (
        [alloc("10.0.0.1", 2, 3, 4, 5)],
        "UnevenAllocation",
        f"NPUs over two HCCS rings (0-3, 4-7): 10.0.0.1 has devices 2, 3, 4, 5; {ONE_RING}",
    ),
    "two over two rings": (
        [alloc("10.0.0.1", 0), alloc("10.0.0.1", 4)],
        "UnevenAllocation",
        f"NPUs over two HCCS rings (0-3, 4-7): 10.0.0.1 has devices 0, 4; {ONE_RING}",
    ),
    "an address that the plugin could not read": (
        [with_ip("10.0.0.1", 5, "-1", "b0-1-0")],
        "DeviceIPUnknown",
        "pod b0-1-0 on 10.0.0.1, device 5: device_ip is '-1'; want an address "
        f"(the plugin writes -1 where it cannot read one); {HCCN_TOOL}",
    ),
    # Names of pods have a -1, too.
    "an address that is none": (
        [with_ip("10.0.0.1", 5, "300.1.1.1", "b0-1-0")],
        "DeviceIPUnknown",
        "pod b0-1-0 on 10.0.0.1, device 5: device_ip is '300.1.1.1'; want an address; "
        f"{HCCN_TOOL}",
    ),
    "one address on two hosts": (
        [
            with_ip("10.0.0.1", 0, "192.168.0.1", "b0-1-0"),
            with_ip("10.0.0.2", 1, "192.168.0.1", "b0-1-1"),
        ],
        "DuplicateDeviceIP",
        "192.168.0.1 is the address of device 0 of pod b0-1-0 on 10.0.0.1 and device 1 of pod "
        "b0-1-1 on 10.0.0.2; give each NPU an address of its own with hccn_tool",
    ),
    "one chip in two pods": (
        [alloc("10.0.0.1", 0, pod="b0-1-1"), alloc("10.0.0.1", 0, pod="b0-1-0")],
        "DuplicateDevice",
        f"device 0 of host 10.0.0.1 is in pods b0-1-0, b0-1-1; {STALE}",
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
        f"device 0 of host 10.0.0.1 is in pods b0-1-0, b0-1-0; {STALE}",
    ),
    "a chip that a 910 server does not have": (
        [alloc("10.0.0.1", 8, pod="b0-1-0")],
        "DeviceIDOutOfRange",
        "pod b0-1-0 on 10.0.0.1 has device 8; Ascend910 has device ids 0-7: "
        "is spec.accelerator right for these hosts?",
    ),
}


@pytest.mark.parametrize("allocations, reason, message", ILLEGAL.values(), ids=ILLEGAL)
def test_illegal_sets_are_named_with_the_way_out(allocations, reason, message):
    assert find_violation(Candidate(allocations)) == Violation(reason, message)


EXPECTATIONS = {
    "a pod with fewer chips than asked for": (
        Candidate([alloc("10.0.0.1", 0, pod="b0-1-0")], npus=2, npus_per_pod=2),
        "pods hold other counts of NPUs than spec.npusPerPod 2: b0-1-0 has 1; "
        "delete the pods or ask what the device plugin wrote on them",
    ),
    "fewer chips in all": (
        Candidate([alloc("10.0.0.1", 0)], npus=2, npus_per_pod=1),
        "the pods hold 1 NPUs in all, spec.npus is 2",
    ),
    "a CPU pod too few": (
        Candidate([alloc("10.0.0.1", 0)], accelerator="CPU", npus=2, npus_per_pod=1),
        "the pods hold 1 NPUs in all, spec.npus is 2",
    ),
}


@pytest.mark.parametrize("candidate, message", EXPECTATIONS.values(), ids=EXPECTATIONS)
def test_counts_other_than_the_jobs_are_refused(candidate, message):
    assert find_violation(candidate) == Violation("WrongDeviceCount", message)


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
