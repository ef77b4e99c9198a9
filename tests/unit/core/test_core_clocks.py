"""Clocks that jump, and nodes whose clocks are far off: no attempt twice, no wait without end."""

from dataclasses import replace
from datetime import timedelta

import pytest
from core_builders import Cluster, a_job, an_end, fail
from hypothesis import given, settings
from hypothesis import strategies as st

HOUR_S = 3600
POLICY = {"backoffLimit": 100, "pendingDeadlineSeconds": 60}
JUMPS = st.sampled_from([0, 0, 0, 1, 7, 30, -HOUR_S, HOUR_S, -7, 90])
"""Seconds between two turns; a clock that is set makes them what it likes."""
DEEDS = st.sampled_from(["nothing", "bind", "start", "collect", "end", "delete"])
NODE_CLOCKS = st.sampled_from([0, -HOUR_S, HOUR_S, -3, 3, 10**9])


def a_cluster(**run_policy):
    return Cluster(a_job(2, scheduling={"npusPerHost": 1}, runPolicy={**POLICY, **run_policy}))


def do(cluster, deed, code, offset_s):
    """Let something happen to the pods; return whether it may end an attempt."""
    if deed in {"bind", "start", "collect"}:
        getattr(cluster, deed)()
    pods = [p for p in cluster.pods.values() if not p.deleting]
    if deed == "delete" and pods:
        cluster.pods.pop(pods[0].name)
    if deed == "end" and pods:
        moment = cluster.now + timedelta(seconds=offset_s)
        end = replace(an_end(code), finished_at=moment)
        cluster.change(pods[-1].name, phase="Failed", ready=False, termination=end)
    return deed in {"delete", "end"}


@settings(max_examples=150, deadline=None)
@given(
    turns=st.lists(
        st.tuples(JUMPS, DEEDS, st.sampled_from([1, 75, 137, 143]), NODE_CLOCKS), max_size=40
    )
)
def test_whatever_the_clocks_say_each_attempt_is_made_and_recorded_once(turns):
    cluster = a_cluster()
    before, ends = 0, 0
    for jump_s, *deed in turns:
        ends += do(cluster, *deed)
        cluster.turn(jump_s)
        status = cluster.status
        assert before <= status["attempt"] <= before + 1
        before = status["attempt"]
        records = [record["attempt"] for record in status.get("history", [])]
        assert records == sorted(set(records)) == list(range(1, before))[-10:]
        assert status["restarts"] == before - 1
        assert status.get("chargedRestarts", 0) <= ends
    bring_to_running(cluster)


def bring_to_running(cluster):
    """Let all go well, with a clock that goes right: a few minutes are enough.

    Up to 300 s of back-off, doubled by the spread of gangs that waited for each other.
    """
    for _ in range(700):
        cluster.collect()
        cluster.bind()
        cluster.start()
        cluster.turn(1)
        if cluster.condition("Running") == ("True", "AllRanksReady"):
            return
    raise AssertionError(f"still waits: {cluster.plan().waits_for}")


@settings(max_examples=100, deadline=None)
@given(jumps=st.lists(st.sampled_from([0, 1, 59, HOUR_S, -HOUR_S]), max_size=30))
def test_a_deadline_ends_the_job_once_whatever_the_clock_does_then(jumps):
    cluster = a_cluster(activeDeadlineSeconds=600)
    cluster.run()
    for jump_s in jumps:
        was = cluster.status
        ended = cluster.condition("Failed")
        cluster.turn(jump_s)
        if ended:
            assert cluster.status == was
    told = [event for event in cluster.events if event.reason == "DeadlineExceeded"]
    assert len(told) == (cluster.condition("Failed") is not None)


@pytest.mark.parametrize("back_s", [600, HOUR_S, 86400])
def test_a_clock_that_was_put_back_does_not_lengthen_the_back_off(back_s):
    cluster = a_cluster()
    for attempt in (1, 2):  # the second failure has a delay of 10 s
        cluster.run(per_host=1)
        fail(cluster, f"b0-{attempt}-0", 1)
        cluster.collect()
    cluster.turn(-back_s)
    cluster.run(per_host=1)
    assert cluster.status["attempt"] == 3


def test_a_clock_that_was_put_back_does_not_keep_a_late_pod_from_its_nudge():
    cluster = a_cluster()
    cluster.settle()
    cluster.bind(per_host=1)
    cluster.settle()
    for name in cluster.pods:
        cluster.change(name, phase="Running", started=True)
    plan = cluster.turn(-HOUR_S)
    assert {p.name for p in plan.patches} == {"b0-1-0", "b0-1-1"}
    assert not cluster.turn(1).patches, "once, not at every turn"


@pytest.mark.parametrize("offset_s", [-HOUR_S, HOUR_S, 10**9])
def test_a_node_with_a_wrong_clock_delays_no_restart(offset_s):
    cluster = a_cluster()
    cluster.run(per_host=1)
    do(cluster, "end", 137, offset_s)
    cluster.turn()
    assert cluster.status["attempt"] == 2


def test_a_pod_of_an_older_attempt_that_reports_again_is_not_heard():
    cluster = a_cluster()
    cluster.run(per_host=1)
    fail(cluster, "b0-1-0", 1)
    left = cluster.pods["b0-1-1"]
    for phase, code in (("Failed", 3), ("Succeeded", 0), ("Running", None)):
        termination = None if code is None else an_end(code)
        cluster.pods[left.name] = replace(left, phase=phase, termination=termination, ready=True)
        cluster.turn(1)
        assert cluster.status["attempt"] == 2
        assert cluster.condition("Created") == ("False", "WaitingForPods")
        assert (cluster.condition("Failed"), cluster.condition("Succeeded")) == (None, None)
