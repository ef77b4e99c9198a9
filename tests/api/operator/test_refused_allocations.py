"""Allocations that HCCL would not accept are never published; a condition says what is wrong."""

import subprocess

import pytest
from operator_lab.identity import NAME, NAMESPACE
from operator_lab.waiting import wait_until

FOUR_ON_TWO_HOSTS = {"npus": 4, "scheduling": {"npusPerHost": 2}}


def pinned_to(node):
    return {"spec": {"nodeSelector": {"kubernetes.io/hostname": node}}}


ON_ONE_HOST = {"podTemplate": pinned_to("fake3")}
TWO_ON_ONE_HOST = {"npus": 2, **ON_ONE_HOST}
FOUR_ON_ONE_HOST = {"npus": 4, "scheduling": {"npusPerHost": 4}, **ON_ONE_HOST}


def an_unread_address(job, pods):
    job.allocate(pods[0], [0])
    job.allocate(pods[1], {1: "-1"})


def one_address_twice(job, pods):
    job.allocate(pods[0], {0: "192.168.100.9"})
    job.allocate(pods[1], {1: "192.168.100.9"})


def no_json(job, pods):
    job.allocate(pods[0], [0])
    job.annotate(pods[1], "Ascend910-1,192.168.101.1")


def no_devices_in_a_list(job, pods):
    job.allocate(pods[0], [0])
    job.annotate(pods[1], '{"pod_name":"digits-1-1","devices":"Ascend910-1"}')


def one_chip_twice(job, pods):
    job.allocate(pods[0], [3])
    job.allocate(pods[1], [3])


def a_chip_that_no_910_has(job, pods):
    job.allocate(pods[0], [7])
    job.allocate(pods[1], [8])


def more_chips_than_asked_for(job, pods):
    job.allocate(pods[0], [0, 1])
    job.allocate(pods[1], [2])


def four_over_two_rings(job, pods):
    for pod, chip in zip(pods, (0, 1, 4, 5), strict=True):
        job.allocate(pod, [chip])


def two_over_two_rings(job, pods):
    job.allocate(pods[0], [3])
    job.allocate(pods[1], [4])


def three_and_one(job, pods):
    for chip, pod in enumerate(pods[:3]):
        job.allocate(pod, [chip], host="10.0.0.1")
    job.allocate(pods[3], [0], host="10.0.0.2")


CASES = {
    "an address that the plugin could not read": (
        TWO_ON_ONE_HOST,
        an_unread_address,
        "DeviceIPUnknown",
        ["pod digits-1-1 on 10.0.0.4, device 1: device_ip is '-1'", "hccn_tool"],
    ),
    "one address for two chips": (
        TWO_ON_ONE_HOST,
        one_address_twice,
        "DuplicateDeviceIP",
        ["192.168.100.9", "device 0 of pod digits-1-0", "device 1 of pod digits-1-1"],
    ),
    "an annotation that is no JSON": (
        TWO_ON_ONE_HOST,
        no_json,
        "InvalidAnnotation",
        ["pod digits-1-1", "Ascend910-1,192.168.101.1"],
    ),
    "an annotation without a list of devices": (
        TWO_ON_ONE_HOST,
        no_devices_in_a_list,
        "InvalidAnnotation",
        ["pod digits-1-1", "devices is 'Ascend910-1'"],
    ),
    "one chip in two pods": (
        TWO_ON_ONE_HOST,
        one_chip_twice,
        "DuplicateDevice",
        ["device 3 of host 10.0.0.4 is in pods digits-1-0, digits-1-1"],
    ),
    "a chip that no 910 has": (
        TWO_ON_ONE_HOST,
        a_chip_that_no_910_has,
        "DeviceIDOutOfRange",
        ["pod digits-1-1 on 10.0.0.4 has device 8"],
    ),
    "more chips than the pod asked for": (
        TWO_ON_ONE_HOST,
        more_chips_than_asked_for,
        "WrongDeviceCount",
        ["digits-1-0 has 2"],
    ),
    "two chips over two rings": (
        TWO_ON_ONE_HOST,
        two_over_two_rings,
        "UnevenAllocation",
        ["10.0.0.4 has devices 3, 4"],
    ),
    "four chips over two rings": (
        FOUR_ON_ONE_HOST,
        four_over_two_rings,
        "UnevenAllocation",
        ["10.0.0.4 has devices 0, 1, 4, 5"],
    ),
    "three chips here and one there": (
        FOUR_ON_TWO_HOSTS,
        three_and_one,
        "UnevenAllocation",
        ["10.0.0.1 has 3", "10.0.0.2 has 1"],
    ),
}


@pytest.mark.parametrize("spec, allocate, reason, words", CASES.values(), ids=CASES)
def test_it_is_said_and_not_published_until_it_is_mended(lab, spec, allocate, reason, words):
    job = lab.job(**spec)
    pods = job.wait_bound(job.replicas)
    allocate(job, pods)
    message = job.wait_condition("Allocated", "False", reason)
    for word in words:
        assert word in message
    assert (job.table(), job.peers()) == ({"status": "initializing"}, [])
    assert "rankTable" not in job.status
    lab.wait_event(job, reason, "Warning")
    job.allocate_all(pods)
    job.wait_phase("Running")
    assert job.status["attempt"] == 1


def test_without_the_right_to_read_nodes_the_condition_says_so(lab, simulated_cluster):
    kubectl = simulated_cluster.kubectl
    user = f"system:serviceaccount:{NAMESPACE}:{NAME}"

    def may_read_nodes(wanted):
        argv = kubectl.argv("auth", "can-i", "watch", "nodes", "--as", user)
        answer = subprocess.run(argv, capture_output=True, text=True).stdout.strip()
        return answer == wanted

    lab.may_be_refused = True
    binding = kubectl.get("clusterrolebinding", "efficientnet-operator-nodes")
    kubectl("delete", "clusterrolebinding", "efficientnet-operator-nodes")
    try:
        wait_until("the right is gone", lambda: may_read_nodes("no"))
        # A watch that has begun goes on without the right, for up to five minutes.
        lab.operator.kill()
        lab.operator.start()
        job = lab.job(npus=1, podTemplate=pinned_to("fake1"))
        (pod,) = job.wait_bound(1)
        job.allocate(pod, {0: "-1"})
        message = job.wait_condition("Allocated", "False", "DeviceIPUnknown")
        assert "nodes were not asked: nodes cannot be read (403" in message
    finally:
        del binding["metadata"]["resourceVersion"], binding["metadata"]["uid"]
        kubectl.create(binding)
        wait_until("the right is there again", lambda: may_read_nodes("yes"))
        lab.operator.kill()
        lab.operator.start()
