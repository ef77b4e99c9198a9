"""Failures, restarts, suspension and hosts that are given back: how an attempt is replaced."""

import json
from datetime import timedelta

import pytest
from core_builders import T0, Cluster, a_job, a_pod, failed, is_empty, succeeded
from efficientnet_operator.core.stages.clearing import back_off_s


def a_running_job(**run_policy):
    cluster = Cluster(a_job(4, scheduling={"npusPerHost": 2}, runPolicy=run_policy))
    cluster.run()
    return cluster


def fail(cluster, name, code, **end):
    """Let one rank fail, and the 5 s for its siblings' reports pass."""
    after_s = (cluster.now - T0).total_seconds()
    cluster.pods[name] = failed(cluster.pods[name], code, after_s=after_s, **end)
    cluster.turn()
    return cluster.turn(5)


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
    assert record.items() >= {"attempt": 1, "charged": True, "reason": "Error"}.items()


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


def test_the_back_off_limit_fails_the_job():
    cluster = a_running_job(backoffLimit=1)
    fail(cluster, "b0-1-2", 1)
    cluster.collect()
    cluster.run()
    plan = fail(cluster, "b0-2-0", 75, message="lost a peer", rank=0)
    assert cluster.condition("Failed") == ("True", "BackoffLimitExceeded")
    assert "runPolicy.backoffLimit 1 is used up" in cluster.message("Failed")
    assert "lost a peer" in cluster.message("Failed")
    assert cluster.status["attempt"] == 2
    assert cluster.status["restarts"] == 1
    assert plan.status_first
    assert {d.name: d.grace_s for d in plan.deletes} == {f"b0-2-{i}": 5 for i in (1, 2, 3)}
    assert [(e.type, e.reason) for e in plan.events] == [("Warning", "BackoffLimitExceeded")]


@pytest.mark.parametrize("code, reason", [(2, "BadConfiguration"), (3, "BadData")])
def test_a_permanent_code_fails_the_job_at_once(code, reason):
    cluster = a_running_job(backoffLimit=9)
    cluster.pods["b0-1-1"] = failed(cluster.pods["b0-1-1"], code, message="record 17", rank=1)
    cluster.turn()
    assert cluster.condition("Failed") == ("True", reason)
    assert "rank 1 (pod b0-1-1 on node-0): exit code" in cluster.message("Failed")
    assert "permanent: record 17" in cluster.message("Failed")
    assert cluster.status["restarts"] == 0
    assert cluster.status["failure"]["reason"] == reason
    assert cluster.status["completionTime"]
    assert cluster.settle().pods == ()


def test_a_failed_cpu_rank_has_no_chip():
    cluster = Cluster(a_job(2, accelerator="CPU", runPolicy={"backoffLimit": 0}))
    cluster.run()
    fail(cluster, "b0-1-1", 1)
    assert cluster.status["failure"]["rank"] == 1
    assert "npu" not in cluster.status["failure"]


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


def test_suspending_gives_all_pods_back_and_takes_the_table_away():
    cluster = a_running_job()
    cluster.job["spec"]["runPolicy"]["suspend"] = True
    plan = cluster.turn()
    assert {d.grace_s for d in plan.deletes} == {None}  # time for a checkpoint
    assert len(plan.deletes) == 4
    assert cluster.status["phase"] == "Suspended"
    assert cluster.status["npus"] == {"total": 4, "allocated": 0}
    assert cluster.condition("Running") == ("False", "Suspended")
    assert "rankTable" not in cluster.status
    assert [e.reason for e in plan.events] == ["Suspended"]
    data = cluster.config_maps["b0-1-rank-table"]["data"]
    assert data == {"hccl.json": '{"status":"initializing"}', "peers.json": "[]"}
    assert is_empty(cluster.turn())


@pytest.mark.parametrize("gone", [True, False], ids=["pods gone", "pods still going"])
def test_resuming_goes_on_with_the_same_attempt(gone):
    cluster = a_running_job()
    cluster.job["spec"]["runPolicy"]["suspend"] = True
    cluster.settle()
    for name in cluster.pods:
        cluster.pods[name] = failed(cluster.pods[name], 143)
    if gone:
        cluster.collect()
    cluster.job["spec"]["runPolicy"]["suspend"] = False
    plan = cluster.turn()
    if not gone:
        assert plan.pods == ()
        assert cluster.condition("Created") == ("False", "WaitingForPods")
        cluster.collect()
    cluster.run()
    assert cluster.status["attempt"] == 1
    assert cluster.status["restarts"] == 0
    assert cluster.condition("Suspended") == ("False", "Resumed")
    assert "history" not in cluster.status


def test_a_job_that_starts_suspended_creates_nothing():
    cluster = Cluster(a_job(4, runPolicy={"suspend": True}))
    assert cluster.turn().status_first
    assert not cluster.pods
    assert not cluster.config_maps
    assert cluster.status["phase"] == "Suspended"


def a_stuck_job():
    """Return a job whose first host has room for one pod of two."""
    cluster = Cluster(a_job(4, scheduling={"npusPerHost": 2}))
    cluster.settle()
    for index, node in ((0, "small"), (2, "large"), (3, "large")):
        cluster.change(f"b0-1-{index}", node=node, bound_since=cluster.now)
    cluster.change("b0-1-1", unschedulable="no room", unschedulable_since=cluster.now)
    return cluster


def test_a_host_without_room_for_its_group_is_given_back_after_ten_seconds():
    cluster = a_stuck_job()
    plan = cluster.turn(9)
    assert (plan.deletes, plan.requeue_s) == ((), 2)
    plan = cluster.turn(1)
    assert plan.status_first
    assert [d.name for d in plan.deletes] == ["b0-1-0", "b0-1-1"]
    assert cluster.condition("Created") == ("False", "GivenBack")
    assert "HostGroupGivenBack" in [e.reason for e in plan.events]
    annotations = cluster.config_maps["b0-1-rank-table"]["metadata"]["annotations"]
    assert json.loads(annotations["efficientnet.dev/excluded-hosts"]) == {"0": ["small"]}


def test_pods_that_were_given_back_go_first_and_then_avoid_the_host():
    cluster = a_stuck_job()
    cluster.turn(10)
    del cluster.pods["b0-1-1"]  # it had no node, so it goes at once
    assert cluster.turn().pods == ()
    assert cluster.condition("Created") == ("False", "WaitingForPods")
    cluster.pods["b0-1-0"] = failed(cluster.pods["b0-1-0"], 143)
    assert cluster.turn(1).pods == ()
    cluster.collect()
    plan = cluster.turn()
    assert [p["metadata"]["name"] for p in plan.pods] == ["b0-1-0", "b0-1-1"]
    for pod in plan.pods:
        (term,) = pod["spec"]["affinity"]["nodeAffinity"][
            "requiredDuringSchedulingIgnoredDuringExecution"
        ]["nodeSelectorTerms"]
        assert term["matchFields"][0]["values"] == ["small"]
    cluster.run()
    assert (cluster.status["attempt"], cluster.status["restarts"]) == (1, 0)


def test_waiting_before_a_mate_was_bound_does_not_count():
    cluster = a_stuck_job()
    cluster.change("b0-1-1", unschedulable_since=cluster.now - timedelta(minutes=5))
    assert cluster.turn(1).deletes == ()
    assert [d.name for d in cluster.turn(9).deletes] == ["b0-1-0", "b0-1-1"]


def test_a_group_that_finds_no_host_at_all_tries_the_excluded_ones_again():
    cluster = a_stuck_job()
    cluster.turn(10)
    cluster.collect()
    cluster.settle()
    for index in (0, 1):
        name = f"b0-1-{index}"
        cluster.change(name, unschedulable="no room", unschedulable_since=cluster.now)
    assert cluster.turn(59).deletes == ()
    assert [d.name for d in cluster.turn(1).deletes] == ["b0-1-0", "b0-1-1"]
    cluster.collect()
    plan = cluster.turn()
    assert all("nodeAffinity" not in p["spec"]["affinity"] for p in plan.pods)


def test_a_cpu_job_has_no_groups_to_give_back():
    cluster = Cluster(a_job(2, accelerator="CPU"))
    cluster.settle()
    cluster.change("b0-1-0", node="small")
    cluster.change("b0-1-1", unschedulable="no room", unschedulable_since=cluster.now)
    assert cluster.turn(60).deletes == ()


@pytest.mark.parametrize("text", ["{", "[]", '{"x":[]}', '{"0":7}'])
def test_excluded_hosts_that_cannot_be_read_are_none(text):
    cluster = a_stuck_job()
    metadata = cluster.config_maps["b0-1-rank-table"]["metadata"]
    metadata["annotations"] = {"efficientnet.dev/excluded-hosts": text}
    del cluster.pods["b0-1-1"]
    cluster.job["status"]["conditions"] = []
    (pod,) = cluster.turn().pods
    assert "nodeAffinity" not in pod["spec"]["affinity"]


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


def test_a_job_that_ended_before_it_was_suspended_has_ended():
    for code, condition in ((0, ("Succeeded", "Completed")), (3, ("Failed", "BadData"))):
        cluster = a_running_job()
        for name, pod in cluster.pods.items():
            cluster.pods[name] = failed(pod, code) if code else succeeded(pod, rank=pod.index)
        cluster.job["spec"]["runPolicy"] = {"suspend": True}
        cluster.turn()
        assert cluster.condition(condition[0]) == ("True", condition[1])


def test_a_suspended_rank_that_fails_otherwise_is_only_suspended():
    cluster = a_running_job()
    cluster.pods["b0-1-0"] = failed(cluster.pods["b0-1-0"], 143)
    cluster.job["spec"]["runPolicy"] = {"suspend": True}
    cluster.turn()
    assert cluster.status["phase"] == "Suspended"


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


@pytest.mark.parametrize("suspended", [True, False])
def test_a_gang_that_stands_has_no_speed(suspended):
    cluster = a_running_job()
    cluster.progress = {"phase": "training", "step": 30, "loss": 1.0, "imagesPerSecond": 9.0,
                        "etaSeconds": 100}  # fmt: skip
    cluster.turn()
    cluster.progress = None
    if suspended:
        cluster.job["spec"]["runPolicy"] = {"suspend": True}
        cluster.turn()
    else:
        fail(cluster, "b0-1-2", 1)
    assert cluster.status["progress"].keys() >= {"step", "loss", "totalSteps"}
    assert not cluster.status["progress"].keys() & {"phase", "imagesPerSecond", "etaSeconds"}


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
    assert cluster.groups == {"b0-5"}


def test_what_is_not_the_jobs_own_is_never_deleted():
    cluster = a_running_job()
    cluster.config_maps["b0-0-rank-table"] = json.loads(
        json.dumps(cluster.config_maps["b0-1-rank-table"]).replace("b0-1-rank", "b0-0-rank")
    )
    metadata = cluster.config_maps["b0-0-rank-table"]["metadata"]
    metadata["labels"]["efficientnet.dev/attempt"] = "-1"
    metadata["ownerReferences"][0]["uid"] = "somebody"
    assert cluster.turn().deletes == ()
