"""Failures and restarts: how an attempt is replaced."""

import json
from datetime import timedelta

import pytest
from core_builders import (
    T0,
    Cluster,
    a_job,
    a_pod,
    a_running_job,
    fail,
    failed,
    is_empty,
    succeeded,
)
from efficientnet_operator.core.stages.clearing import back_off_s


def test_a_failed_rank_replaces_the_gang_after_five_seconds():
    cluster = a_running_job()
    cluster.pods["b0-1-2"] = failed(cluster.pods["b0-1-2"], 137)
    plan = cluster.turn(1)
    assert is_empty(plan)
    assert plan.requeue_s == 1
    plan = cluster.turn(4)
    assert plan.status_first
    assert [(d.name, d.uid, d.grace_s) for d in plan.deletes] == [
        (f"b0-1-{i}", f"uid-of-b0-1-{i}", 5) for i in range(4)
    ]
    assert plan.pods == plan.creates == ()
    assert (cluster.status["attempt"], cluster.status["restarts"]) == (2, 1)
    assert cluster.status["phase"] == "Restarting"
    assert cluster.status["npus"] == {"total": 4, "allocated": 0}
    assert "rankTable" not in cluster.status
    failure = cluster.status["failure"]
    assert failure.items() >= {"rank": 2, "npu": "0", "exitCode": 137, "attempt": 1}.items()
    want = "attempt 2 follows: rank 2 (pod b0-1-2 on node-1): exit code 137"
    assert cluster.message("Restarting") == want
    assert [(e.type, e.reason) for e in plan.events] == [("Warning", "Error")]
    (record,) = cluster.status["history"]
    assert record == {
        "attempt": 1,
        "reason": "Error",
        "message": "rank 2 (pod b0-1-2 on node-1): exit code 137",
        "charged": True,
        "startTime": "2026-01-01T12:00:00.000000Z",
        "completionTime": "2026-01-01T12:00:05.000000Z",
    }
    assert "attemptStartTime" not in cluster.status
    assert plan.requeue_s == 1


def test_new_pods_come_only_when_the_old_are_gone():
    cluster = a_running_job()
    fail(cluster, "b0-1-2", 1)
    plan = cluster.turn(1)
    assert plan.pods == plan.creates == plan.deletes == ()
    assert cluster.condition("Created") == ("False", "WaitingForPods")
    del cluster.pods["b0-1-0"], cluster.pods["b0-1-1"], cluster.pods["b0-1-2"]
    assert cluster.turn(1).pods == ()
    cluster.collect()
    plan = cluster.turn(1)
    assert [p["metadata"]["name"] for p in plan.pods] == [f"b0-2-{i}" for i in range(4)]
    assert [c["metadata"]["name"] for c in plan.creates] == ["b0-2-rank-table"]
    cluster.run()
    assert cluster.condition("Restarting") == ("False", "Restarted")
    assert cluster.message("Restarting") == "attempt 2 is running"
    assert cluster.status["phase"] == "Running"


def test_an_old_pod_that_came_back_is_deleted_again():
    cluster = a_running_job()
    fail(cluster, "b0-1-2", 1)
    cluster.change("b0-1-3", deleting=False)
    (delete,) = cluster.turn().deletes
    assert (delete.name, delete.grace_s) == ("b0-1-3", 5)


DISRUPTIONS = {
    "a deleted pod": {"deleting": True},
    "a drained pod": {"disrupted": "EvictionByEvictionAPI"},
    "an evicted pod": {"disrupted": "Evicted", "phase": "Failed"},
}


@pytest.mark.parametrize("fields", DISRUPTIONS.values(), ids=DISRUPTIONS)
def test_a_disruption_is_not_charged_and_keeps_the_usual_grace(fields):
    cluster = a_running_job(backoffLimit=0)
    cluster.change("b0-1-2", **fields)
    plan = cluster.turn()
    assert cluster.status["attempt"] == 2
    assert cluster.status["chargedRestarts"] == 0
    assert cluster.status["history"][0]["charged"] is False
    assert plan.deletes
    assert {d.grace_s for d in plan.deletes} == {None}


def test_a_pod_that_is_gone_is_a_disruption():
    cluster = a_running_job(backoffLimit=0)
    del cluster.pods["b0-1-2"]
    cluster.turn()
    assert cluster.status["attempt"] == 2
    assert cluster.status["failure"]["reason"] == "PodDeleted"
    assert cluster.status["failure"]["pod"] == "b0-1-2"
    want = "attempt 2 follows: a rank (pod b0-1-2): PodDeleted: pod b0-1-2 is gone"
    assert cluster.message("Restarting") == want


def test_the_back_off_limit_fails_the_job():
    cluster = a_running_job(backoffLimit=1)
    fail(cluster, "b0-1-2", 1)
    cluster.collect()
    cluster.run()
    plan = fail(cluster, "b0-2-0", 75, message="lost a peer", rank=0)
    assert cluster.condition("Failed") == ("True", "BackoffLimitExceeded")
    assert cluster.message("Failed") == (
        "runPolicy.backoffLimit 1 is used up; last: rank 0 (pod b0-2-0 on node-0): exit code 75: "
        "lost a peer"
    )
    assert cluster.status["attempt"] == 2
    assert cluster.status["restarts"] == 1
    assert plan.status_first
    assert (
        cluster.status["history"][-1].items() >= {"reason": "Transient", "charged": True}.items()
    )
    assert {d.name: d.grace_s for d in plan.deletes} == {f"b0-2-{i}": 5 for i in (1, 2, 3)}
    assert [(e.type, e.reason) for e in plan.events] == [("Warning", "BackoffLimitExceeded")]


@pytest.mark.parametrize("code, reason", [(2, "BadConfiguration"), (3, "BadData")])
def test_a_permanent_code_fails_the_job_at_once(code, reason):
    cluster = a_running_job(backoffLimit=9)
    cluster.pods["b0-1-1"] = failed(cluster.pods["b0-1-1"], code, message="record 17", rank=1)
    cluster.turn()
    assert cluster.condition("Failed") == ("True", reason)
    assert cluster.message("Failed") == (
        f"rank 1 (pod b0-1-1 on node-0): exit code {code}, which is permanent: record 17"
    )
    assert cluster.status["restarts"] == 0
    assert cluster.status["failure"]["reason"] == reason
    assert cluster.status["completionTime"]
    assert cluster.settle().pods == ()


def test_a_restarted_job_that_fails_before_it_runs_is_restarting_no_more():
    cluster = a_running_job(backoffLimit=1)
    fail(cluster, "b0-1-2", 1)
    cluster.collect()
    cluster.settle()
    fail(cluster, "b0-2-0", 1)
    assert cluster.condition("Failed") == ("True", "BackoffLimitExceeded")
    assert cluster.condition("Restarting") == ("False", "BackoffLimitExceeded")


def test_a_failed_cpu_rank_has_no_chip():
    cluster = Cluster(a_job(2, accelerator="CPU", runPolicy={"backoffLimit": 0}))
    cluster.run()
    fail(cluster, "b0-1-1", 1)
    assert cluster.status["failure"]["rank"] == 1
    assert "npu" not in cluster.status["failure"]


def test_history_tells_how_far_an_attempt_came_and_cuts_long_stories():
    cluster = a_running_job()
    cluster.progress = {"phase": "training", "step": 120}
    cluster.turn()
    fail(cluster, "b0-1-2", 1, message="m" * 2000)
    (record,) = cluster.status["history"]
    assert (record["step"], len(record["message"])) == (120, 1024)


def test_history_keeps_ten_attempts():
    cluster = a_running_job(backoffLimit=100)
    for attempt in range(1, 13):
        cluster.change(f"b0-{attempt}-0", deleting=True)
        cluster.turn()
        cluster.collect()
        cluster.now += timedelta(minutes=11)
        cluster.run()
    assert [r["attempt"] for r in cluster.status["history"]] == list(range(3, 13))


def record(minutes):
    end = T0 + timedelta(minutes=minutes)
    return {"startTime": T0.isoformat(), "completionTime": end.isoformat()}


BACK_OFFS = {
    "no attempt has ended": ([], 0),
    "the first is followed at once": ([record(1)], 0),
    "the second after 10 s": ([record(1)] * 2, 10),
    "then it doubles": ([record(1)] * 4, 40),
    "up to five minutes": ([record(1)] * 10, 300),
    "a long attempt starts it anew": ([record(1)] * 5 + [record(10)], 0),
    "a short one after a long one is the first": ([record(1), record(60), record(1)], 0),
    "an attempt without times was short": ([{}, {"startTime": "?"}], 10),
}


@pytest.mark.parametrize("history, want", BACK_OFFS.values(), ids=BACK_OFFS)
def test_back_off_s(history, want):
    assert back_off_s(history) == want


def test_the_second_restart_waits_for_its_delay():
    cluster = a_running_job()
    for attempt in (1, 2):
        cluster.change(f"b0-{attempt}-0", deleting=True)
        cluster.turn()
        cluster.collect()
        if attempt == 1:
            cluster.run()
    plan = cluster.turn(4)
    assert (plan.pods, plan.requeue_s) == ((), 6)
    assert len(cluster.turn(6).pods) == 4


def test_a_pod_that_fails_before_all_stood_counts():
    cluster = Cluster(a_job(2, scheduling={"npusPerHost": 2}))
    cluster.turn()
    del cluster.pods["b0-1-1"]
    cluster.change("b0-1-0", phase="Failed", disrupted="OutOfcpu")
    cluster.turn()
    assert cluster.status["attempt"] == 2
    assert cluster.status["chargedRestarts"] == 0


@pytest.mark.parametrize("policy, kept", [("None", 4), ("Running", 1), ("All", 0)])
def test_clean_pod_policy_after_a_failure(policy, kept):
    cluster = a_running_job(cleanPodPolicy=policy)
    cluster.pods["b0-1-1"] = failed(cluster.pods["b0-1-1"], 3)
    cluster.settle()
    cluster.collect()
    assert len(cluster.pods) == kept


def test_a_pod_that_succeeded_earlier_does_not_hide_a_failure():
    cluster = a_running_job()
    cluster.pods["b0-1-3"] = succeeded(cluster.pods["b0-1-3"])
    fail(cluster, "b0-1-0", 75)
    assert cluster.status["attempt"] == 2


def test_pods_of_a_later_attempt_than_is_known_are_left_alone():
    cluster = a_running_job()
    cluster.pods["b0-5-0"] = a_pod(0, 5, phase="Running")
    assert is_empty(cluster.turn())


def test_each_attempt_has_a_config_map_of_its_own():
    cluster = a_running_job()
    cluster.change("b0-1-0", deleting=True)
    cluster.turn()
    cluster.collect()
    cluster.settle()
    assert set(cluster.config_maps) == {"b0-1-rank-table", "b0-2-rank-table"}
    data = cluster.config_maps["b0-2-rank-table"]["data"]
    assert data["peers.json"] == "[]"


def test_the_reports_of_siblings_come_before_the_pending_deadline():
    cluster = Cluster(a_job(2, runPolicy={"pendingDeadlineSeconds": 60, "backoffLimit": 0}))
    cluster.settle()
    cluster.now += timedelta(seconds=59)
    after_s = (cluster.now - T0).total_seconds()
    cluster.pods["b0-1-0"] = failed(cluster.pods["b0-1-0"], 1, after_s=after_s)
    cluster.turn(2)
    assert cluster.status["attempt"] == 1
    cluster.turn(5)
    assert cluster.condition("Failed") == ("True", "BackoffLimitExceeded")


def test_only_the_last_attempt_leaves_its_table_behind():
    gang = {"npusPerHost": 2, "gang": "Native"}
    cluster = Cluster(a_job(4, scheduling=gang, runPolicy={"backoffLimit": 9}))
    for attempt in range(1, 5):
        cluster.run()
        fail(cluster, f"b0-{attempt}-2", 1)
        cluster.collect()
        cluster.now += timedelta(seconds=300)
    cluster.settle()
    assert set(cluster.config_maps) == {"b0-4-rank-table", "b0-5-rank-table"}
    assert set(cluster.groups) == {"b0-5"}


def test_what_is_not_the_jobs_own_is_never_deleted():
    cluster = a_running_job()
    cluster.config_maps["b0-0-rank-table"] = json.loads(
        json.dumps(cluster.config_maps["b0-1-rank-table"]).replace("b0-1-rank", "b0-0-rank")
    )
    metadata = cluster.config_maps["b0-0-rank-table"]["metadata"]
    metadata["labels"]["efficientnet.dev/attempt"] = "-1"
    metadata["ownerReferences"][0]["uid"] = "somebody"
    assert cluster.turn().deletes == ()


def test_what_kept_the_last_attempt_waiting_is_not_said_of_the_next():
    cluster = Cluster(a_job(4, scheduling={"npusPerHost": 2}))
    cluster.settle()
    cluster.bind(per_host=3)  # which no host group allows, but a foreign scheduler may
    cluster.turn()
    assert cluster.condition("Allocated") == ("False", "UnevenAllocation")
    cluster.change("b0-1-0", deleting=True)  # as the message advises
    plan = cluster.turn()
    assert cluster.condition("Allocated") == ("False", "Restarting")
    assert [e.reason for e in plan.events] == ["PodDeleted"]
    cluster.collect()
    cluster.run()
