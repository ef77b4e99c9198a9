"""What is kept of a pod's JSON."""

from datetime import UTC, datetime

import pytest
from core_builders import DEVICES, T0, UID
from efficientnet_operator.core.pod_view import PodView, Termination, parse_pod, parse_time, to_int

NOON = "2026-01-01T12:00:00Z"
POD = {
    "metadata": {
        "namespace": "ns",
        "name": "b0-2-3",
        "uid": "u",
        "resourceVersion": "9",
        "labels": {
            "efficientnet.dev/job-name": "b0",
            "efficientnet.dev/job-uid": UID,
            "efficientnet.dev/attempt": "2",
            "efficientnet.dev/replica-index": "3",
            "efficientnet.dev/host-group": "1",
        },
        "annotations": {DEVICES: "{}", "other": "x", "efficientnet.dev/nudge": "1"},
        "ownerReferences": [
            {"kind": "X", "name": "x", "uid": "x"},
            {"kind": "EfficientNetJob", "name": "b0", "uid": UID, "controller": True},
        ],
    },
    "spec": {"nodeName": "n1"},
    "status": {
        "phase": "Running",
        "podIP": "10.1.0.1",
        "hostIP": "10.0.0.1",
        "conditions": [
            {"type": "Ready", "status": "True"},
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": NOON},
        ],
        "containerStatuses": [
            {"name": "side", "state": {"waiting": {"reason": "ErrImagePull"}}},
            {"name": "trainer", "state": {"running": {}}},
        ],
    },
}


def test_parse_pod():
    found = parse_pod(POD)
    assert (found.job_name, found.job_uid, found.attempt, found.index, found.host_group) == (
        "b0",
        UID,
        2,
        3,
        1,
    )
    assert (found.owner_uid, found.owner) == (UID, "EfficientNetJob b0")
    assert found.annotations == {DEVICES: "{}", "efficientnet.dev/nudge": "1"}
    assert (found.node, found.pod_ip, found.host_ip) == ("n1", "10.1.0.1", "10.0.0.1")
    assert found.ready
    assert found.started
    assert not found.deleting
    assert not found.finished
    assert found.bound_since == T0
    assert found.unschedulable_since is None
    assert found.waiting == ""


SPARSE = {
    "nothing": {},
    "nulls": {"metadata": None, "spec": None, "status": None},
    "inner nulls": {
        "metadata": {"labels": None, "annotations": None, "ownerReferences": None},
        "status": {"conditions": None, "containerStatuses": None},
    },
}


@pytest.mark.parametrize("pod", SPARSE.values(), ids=SPARSE)
def test_missing_parts_take_their_empty_values(pod):
    assert parse_pod(pod) == PodView("", "", "", "")
    assert (parse_pod(pod).attempt, parse_pod(pod).index, parse_pod(pod).job_name) == (0, 0, "")


def with_status(**status):
    return parse_pod({"status": status})


def test_a_pod_without_a_place():
    condition = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes"}
    found = with_status(conditions=[{**condition, "lastTransitionTime": NOON}])
    assert (found.unschedulable, found.unschedulable_since) == ("0/2 nodes", T0)
    assert found.bound_since is None


TARGET = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
DISRUPTIONS = {
    "a disruption's message": ({"conditions": [{**TARGET, "message": "drained"}]}, "drained"),
    "its reason": ({"conditions": [TARGET]}, "EvictionByEvictionAPI"),
    "its bare name": ({"conditions": [{**TARGET, "reason": ""}]}, "DisruptionTarget"),
    "one that is over": ({"conditions": [{**TARGET, "status": "False"}]}, ""),
    "its node was lost": ({"phase": "Failed", "reason": "NodeLost"}, "NodeLost"),
    "it outgrew its own limits": ({"phase": "Failed", "reason": "Evicted"}, ""),
    "its own deadline": ({"phase": "Failed", "reason": "DeadlineExceeded"}, ""),
    "its container failed": ({"phase": "Failed"}, ""),
    "a reason of a pod that runs": ({"phase": "Running", "reason": "NodeLost"}, ""),
}


@pytest.mark.parametrize("status, want", DISRUPTIONS.values(), ids=DISRUPTIONS)
def test_disrupted(status, want):
    assert with_status(**status).disrupted == want


def with_state(**state):
    return with_status(containerStatuses=[{"name": "trainer", "state": state}])


WAITINGS = {
    "starting": ({"reason": "ContainerCreating"}, ""),
    "no image": ({"reason": "ErrImagePull", "message": "404"}, "ErrImagePull: 404"),
    "without words": ({"reason": "ImagePullBackOff"}, "ImagePullBackOff"),
    "no reason": ({}, ""),
}


@pytest.mark.parametrize("waiting, want", WAITINGS.values(), ids=WAITINGS)
def test_waiting(waiting, want):
    assert with_state(waiting=waiting).waiting == want


def test_termination():
    terminated = {"exitCode": 75, "reason": "Error", "message": "m", "finishedAt": NOON}
    assert with_state(terminated=terminated).termination == Termination(75, "Error", "m", T0)
    lost = {"exitCode": 137, "reason": "ContainerStatusUnknown", "finishedAt": None}
    assert with_state(terminated=lost).termination.finished_at is None


def test_an_init_container_that_ended_well_is_not_why_the_pod_failed():
    ended = [
        {"name": "copy", "state": {"terminated": {"exitCode": 0}}},
        {"name": "check", "state": {"terminated": {"exitCode": 9, "message": "no disk"}}},
    ]
    found = with_status(phase="Failed", initContainerStatuses=ended).termination
    assert found.message == "init container check failed with exit code 9: no disk"


def test_a_state_of_null_is_no_state():
    found = with_status(containerStatuses=[{"name": "trainer", "state": None}])
    assert not found.started
    assert found.termination is None


TIMES = {
    "with zone": (NOON, T0),
    "with microseconds": ("2026-01-01T12:00:00.000001Z", datetime(2026, 1, 1, 12, 0, 0, 1, UTC)),
    "another zone": ("2026-01-01T14:00:00+02:00", T0),
    "without zone": ("2026-01-01T12:00:00", T0),
    "no time": ("yesterday", None),
    "nothing": (None, None),
    "empty": ("", None),
}


@pytest.mark.parametrize("text, want", TIMES.values(), ids=TIMES)
def test_parse_time(text, want):
    assert parse_time(text) == want


NUMBERS = {"12": 12, "0": 0, "": 0, "-1": 0, "x": 0, "٣": 0, "1e3": 0, "9" * 5000: 0, None: 0}


@pytest.mark.parametrize("text, want", NUMBERS.items(), ids=range(len(NUMBERS)))
def test_to_int(text, want):
    assert to_int(text) == want


def test_a_pod_that_failed_by_its_own_limits_says_so():
    found = with_status(phase="Failed", reason="Evicted", message="emptyDir is over 1Gi")
    assert found.reason == "Evicted: emptyDir is over 1Gi"
    assert with_status(phase="Failed", reason="NodeLost").reason == ""


def trainer_ended(code, phase="Running"):
    ended = {"terminated": {"exitCode": code, "finishedAt": NOON}}
    sidecar = {"name": "logs", "state": {"running": {}}}
    trainer = {"name": "trainer", "state": ended}
    return with_status(phase=phase, containerStatuses=[sidecar, trainer])


@pytest.mark.parametrize("code, phase", [(0, "Succeeded"), (3, "Failed")])
def test_a_pod_whose_trainer_ended_has_ended_whatever_runs_beside_it(code, phase):
    found = trainer_ended(code)
    assert (found.phase, found.finished, found.lingering) == (phase, True, True)
    assert found.termination.exit_code == code
    assert not trainer_ended(code, phase).lingering


@pytest.mark.parametrize("others", [[], [{"name": "logs", "state": {"terminated": {}}}]])
def test_a_pod_whose_containers_all_ended_does_not_linger(others):
    """The kubelet sets the pod's phase a moment later; whoever deletes it now loses its log."""
    trainer = {"name": "trainer", "state": {"terminated": {"exitCode": 0, "finishedAt": NOON}}}
    native = {"name": "proxy", "state": {"running": {}}}
    found = with_status(
        phase="Running",
        containerStatuses=[trainer, *others],
        initContainerStatuses=[native],
    )
    assert (found.phase, found.lingering) == ("Succeeded", False)


def test_a_failed_init_container_is_the_failure():
    ended = {"terminated": {"exitCode": 3, "message": "no such bucket", "finishedAt": NOON}}
    init = [{"name": "fetch", "state": ended}]
    found = with_status(phase="Failed", initContainerStatuses=init).termination
    # Its 3 is not the trainer's, which would say that the data are bad.
    assert (found.exit_code, found.reason) == (1, "InitContainerFailed")
    assert found.message == "init container fetch failed with exit code 3: no such bucket"
    assert with_status(phase="Pending", initContainerStatuses=init).termination is None


def test_an_init_container_that_cannot_start_is_told():
    state = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    found = with_status(initContainerStatuses=[{"name": "fetch", "state": state}])
    assert found.waiting == "init container fetch: ImagePullBackOff: not found"
