"""What a write of the status means for those who count."""

from datetime import timedelta

import pytest
from core_builders import T0, Cluster, a_job, a_running_job, fail
from efficientnet_operator.api.parsing import parse_job
from efficientnet_operator.core.accounting import Change, compare
from efficientnet_operator.core.conditions import format_time

CREATED = "2026-01-01T12:00:00Z"
NOW = T0 + timedelta(seconds=40)
FIRST = {"phase": "Pending", "attempt": 1, "restarts": 0}


def at(seconds):
    return format_time(T0 + timedelta(seconds=seconds))


def cond(kind, status="True", reason="Any"):
    return {"type": kind, "status": status, "reason": reason}


def change_of(old, new, *, created=CREATED, **spec):
    metadata = {"creationTimestamp": created} if created else {}
    return compare(parse_job(a_job(metadata=metadata, **spec)), old, new, NOW)


MILESTONES = {
    "every pod has a node": (
        FIRST,
        {**FIRST, "conditions": [cond("Scheduled")]},
        {"scheduled": 40},
    ),
    "still scheduled is nothing new": (
        {**FIRST, "conditions": [cond("Scheduled")]},
        {**FIRST, "conditions": [cond("Scheduled")], "phase": "Allocating"},
        {},
    ),
    "a part of the NPUs is not all": (
        FIRST,
        {**FIRST, "npus": {"total": 4, "allocated": 3}},
        {},
    ),
    "all NPUs, but HCCL would refuse them": (
        {**FIRST, "npus": {"total": 4, "allocated": 3}},
        {**FIRST, "npus": {"total": 4, "allocated": 4}},
        {"allocated": 40},
    ),
    "all NPUs and the table at once": (
        {**FIRST, "npus": {"total": 4, "allocated": 0}},
        {**FIRST, "npus": {"total": 4, "allocated": 4}, "rankTable": {"sha256": "a"}},
        {"allocated": 40, "table": 40},
    ),
    "the first step": (
        {**FIRST, "progress": {"phase": "compiling"}},
        {**FIRST, "progress": {"phase": "training", "step": 3}},
        {"first_step": 40},
    ),
    "a later step": (
        {**FIRST, "progress": {"phase": "training", "step": 3}},
        {**FIRST, "progress": {"phase": "saving", "step": 9}},
        {},
    ),
    "over before it was seen to train": (
        FIRST,
        {**FIRST, "progress": {"phase": "done", "step": 300}},
        {},
    ),
    "the next attempt counts from its own start": (
        {**FIRST, "attempt": 2, "attemptStartTime": at(30), "progress": {"step": 120}},
        {
            **FIRST,
            "attempt": 2,
            "attemptStartTime": at(30),
            "progress": {"step": 121, "phase": "training"},
        },
        {"first_step": 10},
    ),
    "a first attempt that was resumed counts from then": (
        FIRST,
        {
            **FIRST,
            "startTime": at(35),
            "conditions": [cond("Suspended", "False"), cond("Scheduled")],
        },
        {"scheduled": 5},
    ),
    "an attempt whose start is not known": (
        {**FIRST, "attempt": 2},
        {**FIRST, "attempt": 2, "conditions": [cond("Scheduled")]},
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("old, new, want", MILESTONES.values(), ids=MILESTONES)
def test_milestones_are_counted_when_they_are_reached(old, new, want):
    assert change_of(old, new).seconds == want


def test_a_server_whose_clock_is_ahead_makes_no_negative_time():
    change = change_of(
        FIRST, {**FIRST, "conditions": [cond("Scheduled")]}, created="2026-01-01T13:00:00Z"
    )
    assert change.seconds == {"scheduled": 0}


def test_an_evaluation_makes_no_step():
    new = {**FIRST, "progress": {"phase": "evaluating", "step": 300}}
    assert change_of(FIRST, new, training={"mode": "Eval"}).seconds == {}


CHANGES = {
    "a job that nobody has looked at before": (
        {},
        FIRST,
        Change(("New", "Pending"), 1),
    ),
    "no other phase": (FIRST, {**FIRST, "npus": {}}, Change(None, 1)),
    "another phase": (
        FIRST,
        {**FIRST, "phase": "Allocating"},
        Change(("Pending", "Allocating"), 1),
    ),
    "a restart": (
        {**FIRST, "phase": "Running"},
        {**FIRST, "phase": "Restarting", "attempt": 2, "restarts": 1,
         "failure": {"reason": "OOMKilled", "rank": 3}},
        Change(("Running", "Restarting"), 2, "OOMKilled", 3),
    ),
    "a restart on the heels of another": (
        {**FIRST, "phase": "Restarting", "attempt": 2, "restarts": 1,
         "failure": {"reason": "OOMKilled", "rank": 3}},
        {**FIRST, "phase": "Restarting", "attempt": 3, "restarts": 2,
         "failure": {"reason": "PodDeleted"}},
        Change(("Restarting", "Restarting"), 3, "PodDeleted"),
    ),
    "a reason that a trainer made up": (
        {**FIRST, "phase": "Running"},
        {**FIRST, "phase": "Restarting", "attempt": 2, "restarts": 1, "failure": {"reason": "x1"}},
        Change(("Running", "Restarting"), 2, "Other"),
    ),
    "running again, the failure of the attempt before still stands there": (
        {**FIRST, "phase": "Restarting", "attempt": 2, "failure": {"rank": 3}},
        {**FIRST, "phase": "Running", "attempt": 2, "failure": {"rank": 3}},
        Change(("Restarting", "Running"), 2),
    ),
}  # fmt: skip


@pytest.mark.parametrize("old, new, want", CHANGES.values(), ids=CHANGES)
def test_transitions_and_restarts(old, new, want):
    assert change_of(old, new, created=None) == want


def changes_of(cluster, act):
    """Let something happen; return the changes of the plans that follow until nothing does."""
    changes = []

    def watched(plan):
        if plan.status is not None:
            job, old = parse_job(cluster.job), cluster.status
            changes.append(compare(job, old, plan.status, cluster.now))
        execute(plan)

    execute, cluster.execute = cluster.execute, watched
    act()
    del cluster.execute
    return changes


def test_over_a_whole_start_each_milestone_is_counted_once():
    cluster = Cluster(a_job(4, metadata={"creationTimestamp": CREATED}))

    def live():
        cluster.run()
        cluster.progress = {"rank": 0, "step": 1, "phase": "training"}
        cluster.turn(7)
        cluster.progress = {"rank": 0, "step": 2, "phase": "training"}
        cluster.turn(7)

    changes = changes_of(cluster, live)
    reached = [(name, took) for change in changes for name, took in change.seconds.items()]
    assert reached == [("scheduled", 0), ("allocated", 0), ("table", 0), ("first_step", 7)]
    phases = [change.phases for change in changes if change.phases]
    assert phases == [("New", "Pending"), ("Pending", "Starting"), ("Starting", "Running")]


def test_a_restart_names_its_reason_and_the_rank():
    cluster = a_running_job()
    changes = changes_of(cluster, lambda: fail(cluster, "b0-1-2", 1, rank=2))
    (restart,) = [c for c in changes if c.restarted_for]
    assert (restart.restarted_for, restart.rank, restart.attempt) == ("Error", 2, 2)
