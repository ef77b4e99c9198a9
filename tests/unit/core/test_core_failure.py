"""What an attempt died of, and whether it is charged."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from core_builders import T0, a_pod, an_end, devices_annotation, failed, succeeded
from efficientnet_operator.core.config_maps import ConfigMapView
from efficientnet_operator.core.failure import (
    Outcome,
    describe_failure,
    judge,
    parse_report,
    siblings_hang_after,
)
from efficientnet_operator.core.npu_of_rank import find_npu
from efficientnet_operator.core.pod_view import Termination
from hypothesis import given
from hypothesis import strategies as st

CONTRACT = Path(__file__).parents[2] / "contract"


def running(index):
    return a_pod(index, phase="Running", started=True, ready=True, node=f"n{index}")


def verdict(*pods, missing=(), after_s=60.0):
    found = judge(pods, missing, 1, T0 + timedelta(seconds=after_s))
    return found and (found.outcome, found.failure.get("pod"))


DIED, SAFE, WAIT = Outcome.FAILED, Outcome.DISRUPTED, Outcome.UNDECIDED
VERDICTS = {
    "all train": ([running(0), running(1)], None),
    "some are done": ([succeeded(running(0)), running(1)], None),
    "one failed a minute ago": ([running(0), failed(running(1), 75)], (DIED, "b0-1-1")),
    "the earliest failure explains the later ones": (
        [failed(running(0), 1, after_s=2), failed(running(1), 1, after_s=1)],
        (DIED, "b0-1-1"),
    ),
    "at the same time the lowest rank does": (
        [failed(running(0), 1, rank=3), failed(running(1), 1, rank=2)],
        (DIED, "b0-1-1"),
    ),
    "the index stands for a rank that is not told": (
        [failed(running(1), 1), failed(running(0), 1)],
        (DIED, "b0-1-0"),
    ),
    "a rank of a wrong type is none": (
        [failed(running(0), 1, rank="9"), failed(running(1), 1, rank=True)],
        (DIED, "b0-1-0"),
    ),
    "a failure without a time comes after those with one": (
        [
            replace(running(0), phase="Failed", termination=Termination(137, "", "", None)),
            failed(running(1), 1),
        ],
        (DIED, "b0-1-1"),
    ),
    "bad data beats an earlier transient failure": (
        [failed(running(0), 75), failed(running(1), 3, after_s=3)],
        (Outcome.PERMANENT, "b0-1-1"),
    ),
    "bad data beats a deleted pod": (
        [replace(running(0), deleting=True), failed(running(1), 2)],
        (Outcome.PERMANENT, "b0-1-1"),
    ),
    "stopped by somebody's SIGTERM is charged": (
        [failed(running(0), 143), running(1)],
        (DIED, "b0-1-0"),
    ),
    "stopped because a mate is deleted is free": (
        [failed(running(0), 143), replace(running(1), deleting=True)],
        (SAFE, "b0-1-1"),
    ),
    "stopped because a mate is evicted is free": (
        [failed(running(0), 143), replace(running(1), disrupted="drained")],
        (SAFE, "b0-1-1"),
    ),
    "evicted itself": (
        [replace(failed(running(0), 143), disrupted="Evicted"), running(1)],
        (SAFE, "b0-1-0"),
    ),
    "a pod without a container's end and a mate that trains": (
        [replace(running(0), phase="Failed"), running(1)],
        (DIED, "b0-1-0"),
    ),
    "an end whose time was lost": (
        [
            replace(running(0), phase="Failed", termination=Termination(137, "", "", None)),
            running(1),
        ],
        (DIED, "b0-1-0"),
    ),
}


@pytest.mark.parametrize("pods, want", VERDICTS.values(), ids=VERDICTS)
def test_judge(pods, want):
    assert verdict(*pods) == want


def test_a_missing_pod_is_a_disruption():
    assert verdict(failed(running(0), 143), missing=["b0-1-1"]) == (SAFE, "b0-1-1")
    found = judge([running(0)], ["b0-1-1"], 3, T0).failure
    assert found == {
        "pod": "b0-1-1",
        "attempt": 3,
        "reason": "PodDeleted",
        "message": "pod b0-1-1 is gone",
    }


PLACE = {"pod": "b0-1-1", "node": "n1", "attempt": 1}
TAKEN = {
    "deleted by somebody": (
        {"deleting": True},
        {"reason": "PodDeleted", "message": "pod b0-1-1 was deleted"},
    ),
    "evicted while it runs": (
        {"disrupted": "drained", "disruption": "EvictionByEvictionAPI"},
        {"reason": "EvictionByEvictionAPI", "message": "drained"},
    ),
    "disrupted in words alone": (
        {"disrupted": "drained"},
        {"reason": "Disrupted", "message": "drained"},
    ),
    "evicted, and its container ended": (
        {
            "disrupted": "drained",
            "disruption": "Preempting",
            "phase": "Failed",
            "termination": an_end(143, rank=1, message="stopped at step 7"),
        },
        {"reason": "Preempting", "message": "stopped at step 7", "exitCode": 143, "rank": 1},
    ),
    "disrupted in words alone, and ended": (
        {"disrupted": "drained", "phase": "Failed"},
        {"reason": "Disrupted", "message": "pod b0-1-1 failed: drained"},
    ),
}


@pytest.mark.parametrize("fields, want", TAKEN.values(), ids=TAKEN)
def test_a_pod_that_was_taken_away_says_by_whom(fields, want):
    pods = [running(0), replace(running(1), **fields)]
    found = judge(pods, [], 1, T0)
    assert (found.outcome, found.failure) == (Outcome.DISRUPTED, {**PLACE, **want})
    assert not found.siblings_hang


def test_of_several_pods_that_were_taken_away_the_lowest_index_is_told():
    pods = [replace(running(i), deleting=True) for i in (2, 1)]
    assert judge(pods, ["b0-1-0"], 1, T0).failure["pod"] == "b0-1-1"
    unbound = a_pod(0, deleting=True)
    assert "node" not in judge([unbound], [], 1, T0).failure


GRACES = {
    "a crash": ("Error", True, True),
    "a crash with a word of the trainer's own": ("LossIsNaN", True, True),
    "a crash that a rule forgives": ("OOMKilled", False, True),
    "an eviction": ("Evicted", False, False),
    "an eviction that a rule charges": ("Evicted", True, False),
    "an eviction with a word that nobody here knows": ("Rebalanced", False, False),
    "a lost node": ("NodeLost", False, True),
    "an unfit chip that a rule charges": ("ChipUnhealthy", True, True),
    "a gang that waited for too long": ("PendingDeadlineExceeded", False, False),
    "silence": ("NoProgress", True, True),
    "nothing": ("", False, False),
}


@pytest.mark.parametrize("reason, charged, want", GRACES.values(), ids=GRACES)
def test_the_record_of_an_attempt_tells_whether_its_ranks_hang(reason, charged, want):
    assert siblings_hang_after(reason, charged) is want


def test_long_last_words_are_cut_to_what_the_status_holds():
    end = replace(an_end(1), message=json.dumps({"reason": "r" * 65, "message": "m" * 4097}))
    found = describe_failure(replace(running(0), phase="Failed", termination=end), 1)
    assert (found["reason"], found["message"]) == ("r" * 64, "m" * 4096)


WAITS = {
    "at once": (0, WAIT),
    "just before 5 s": (4.999, WAIT),
    "after 5 s": (5, DIED),
}


@pytest.mark.parametrize("after_s, want", WAITS.values(), ids=WAITS)
def test_siblings_are_waited_for(after_s, want):
    assert verdict(failed(running(0), 1), running(1), after_s=after_s) == (want, "b0-1-0")


def test_nobody_is_waited_for_when_all_have_ended():
    assert verdict(failed(running(0), 1), succeeded(running(1)), after_s=0)[0] is DIED


def test_a_permanent_code_needs_no_siblings():
    assert verdict(failed(running(0), 2), running(1), after_s=0)[0] is Outcome.PERMANENT


def test_a_clock_that_runs_a_little_behind_the_kubelets_waits_a_little_longer():
    assert verdict(failed(running(0), 1, after_s=4), running(1), after_s=0)[0] is WAIT


def test_a_clock_that_runs_five_seconds_behind_the_kubelets_waits_no_longer():
    assert verdict(failed(running(0), 1, after_s=5), running(1), after_s=0)[0] is WAIT
    assert verdict(failed(running(0), 1, after_s=5.1), running(1), after_s=0)[0] is DIED


def test_a_node_whose_clock_is_far_ahead_holds_nothing_up():
    assert verdict(failed(running(0), 1, after_s=600), running(1), after_s=0)[0] is Outcome.FAILED


@pytest.mark.parametrize(
    "waiting, why", [("", ""), ("ErrImagePull: 404", " (ErrImagePull: 404)")], ids=["", "waiting"]
)
def test_a_failure_names_the_mate_that_never_started(waiting, why):
    late = a_pod(1, node="n1", waiting=waiting)
    found = judge([failed(running(0), 1, message="HCCL timed out"), late], [], 1, T0)
    assert found.failure["pod"] == "b0-1-0"
    want = f"HCCL timed out; 1 of 2 pods had not started, such as b0-1-1{why}"
    assert found.failure["message"] == want


def test_the_contracts_report_is_the_failure():
    message = (CONTRACT / "termination-bad-data.json").read_text()
    pod = replace(running(1), phase="Failed", termination=Termination(3, "Error", message, T0))
    found = judge([running(0), pod], [], 1, T0).failure
    report = json.loads(message)
    assert found == {
        "pod": "b0-1-1",
        "node": "n1",
        "attempt": 1,
        "rank": 1,
        "exitCode": 3,
        "reason": "BadData",
        "message": report["message"],
    }


DESCRIPTIONS = {
    "a code alone": (an_end(75), "Transient", "exit code 75"),
    "an unknown code": (an_end(9), "Error", "exit code 9"),
    "stopped": (an_end(143), "Stopped", "exit code 143"),
    "bad configuration": (an_end(2), "BadConfiguration", "exit code 2"),
    "out of memory says more than its code": (
        an_end(137, reason="OOMKilled", message="m"),
        "OOMKilled",
        "m",
    ),
    "the log's tail where there was no report": (
        Termination(1, "Error", "Traceback: no such file", T0),
        "Error",
        "Traceback: no such file",
    ),
    "a reason of a wrong type": (an_end(75, reason="Error", rank=0), "Transient", None),
}


@pytest.mark.parametrize("end, reason, message", DESCRIPTIONS.values(), ids=DESCRIPTIONS)
def test_describe_failure(end, reason, message):
    found = describe_failure(replace(running(0), phase="Failed", termination=end), 1)
    assert found["reason"] == reason
    assert message is None or found["message"] == message
    assert found["exitCode"] == end.exit_code


def test_a_pod_that_failed_without_a_container_says_so():
    found = describe_failure(replace(running(0), phase="Failed"), 1)
    assert found["reason"] == "PodFailed"
    assert found["message"] == "pod b0-1-0 failed: the kubelet gives no reason"


def test_an_evicted_pod_tells_why():
    pod = replace(running(0), phase="Failed", disrupted="Evicted")
    assert judge([pod], [], 1, T0).failure["message"] == "pod b0-1-0 failed: Evicted"


REPORTS = {
    "a report": ('{"rank":1,"reason":"Error","x":2}', {"rank": 1, "reason": "Error", "x": 2}),
    "wrong types": ('{"rank":"1","step":1.5,"reason":3,"message":[],"top1":1}', {"top1": 1}),
    "a list": ("[]", {}),
    "a log": ("Traceback", {}),
    "nothing": ("", {}),
    "endless nesting": ("[" * 4096, {}),
}


@pytest.mark.parametrize("message, want", REPORTS.values(), ids=REPORTS)
def test_parse_report(message, want):
    assert parse_report(message) == want


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([])
REPORT = st.dictionaries(st.sampled_from(["rank", "reason", "message", "step"]), SCALARS)


@given(message=st.text() | REPORT.map(json.dumps), code=st.integers(0, 255))
def test_any_last_words_make_a_failure_that_the_status_can_hold(message, code):
    pod = replace(running(0), phase="Failed", termination=Termination(code, "Error", message, T0))
    found = describe_failure(pod, 1)
    assert isinstance(found["reason"], str)
    assert found["reason"]
    assert isinstance(found["message"], str)
    assert len(found["message"]) <= 4096
    assert isinstance(found.get("rank", 0), int)


def published(*entries):
    peers = json.dumps([{"rank": rank, "pod": pod} for rank, pod in entries])
    return ConfigMapView("default", "c", "u", "o", 1, "{}", peers)


CHIPS = a_pod(annotations=devices_annotation("10.0.0.1", (5, "192.168.5.1"), (3, "192.168.3.1")))
TABLE = published((2, "b0-1-0"), (1, "b0-1-1"), (3, "b0-1-0"))
LOCATIONS = {
    "the rank that the trainer named": (TABLE, CHIPS, 3, (3, "5")),
    "the pod's lowest where it named none": (TABLE, CHIPS, None, (2, "3")),
    "the pod's lowest where it named another's": (TABLE, CHIPS, 1, (2, "3")),
    "no chip without an annotation": (TABLE, a_pod(), 3, (3, None)),
    "no chip beyond the annotation": (
        published((0, "b0-1-0"), (1, "b0-1-0"), (2, "b0-1-0")),
        CHIPS,
        2,
        (2, None),
    ),
    "before the table": (published(), CHIPS, 3, (3, None)),
    "no JSON": (replace(TABLE, peers="{"), CHIPS, None, (None, None)),
    "other JSON": (replace(TABLE, peers='{"a":1}'), CHIPS, None, (None, None)),
    "entries without a pod": (replace(TABLE, peers='[{"rank":1}]'), CHIPS, None, (None, None)),
}


@pytest.mark.parametrize("table, pod, rank, want", LOCATIONS.values(), ids=LOCATIONS)
def test_find_npu(table, pod, rank, want):
    assert find_npu(table, pod, rank) == want
