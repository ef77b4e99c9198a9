"""One attempt from nothing to its end, and what is said while it waits."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from core_builders import (
    JOB,
    T0,
    Cluster,
    a_job,
    a_pod,
    is_empty,
    succeeded,
)
from efficientnet_operator.core.allocations import NodeFacts
from efficientnet_operator.core.draft import Draft
from efficientnet_operator.core.rank_table import hash_file
from efficientnet_operator.core.reconcile import reconcile
from efficientnet_operator.core.stages.publishing import publish_table
from efficientnet_operator.core.view import Refusal


def two_hosts(**spec):
    return Cluster(a_job(4, scheduling={"npusPerHost": 2}, **spec))


def test_the_first_turn_creates_config_map_and_pods_and_says_so_first():
    cluster = two_hosts()
    plan = cluster.turn()
    assert plan.status_first
    assert (cluster.status["attempt"], cluster.status["restarts"]) == (1, 0)
    assert plan.status["npus"] == {"total": 4, "allocated": 0}
    assert [c["metadata"]["name"] for c in plan.creates] == ["b0-1-rank-table"]
    assert plan.creates[0]["data"] == {
        "hccl.json": '{"status":"initializing"}',
        "peers.json": "[]",
    }
    assert [p["metadata"]["name"] for p in plan.pods] == ["b0-1-0", "b0-1-1", "b0-1-2", "b0-1-3"]
    for child in (*plan.creates, *plan.pods):
        (owner,) = child["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["controller"]) == (JOB.uid, True)
    assert cluster.condition("Created") == ("False", "Creating")
    assert cluster.message("Created") == "attempt 1: 5 of 5 objects to create"


def test_the_gangs_group_stands_before_the_pods():
    cluster = Cluster(a_job(4, scheduling={"gang": "Native"}))
    plan = cluster.turn()
    assert [c["kind"] for c in plan.creates] == ["ConfigMap", "PodGroup"]
    assert cluster.message("Created") == "attempt 1: 6 of 6 objects to create"
    assert cluster.turn().creates == ()


def test_what_could_not_be_stored_is_created_again():
    cluster = two_hosts()
    cluster.turn()
    del cluster.pods["b0-1-2"]
    plan = cluster.turn()
    assert [p["metadata"]["name"] for p in plan.pods] == ["b0-1-2"]
    assert cluster.message("Created") == "attempt 1: 1 of 5 objects to create"
    assert cluster.status["attempt"] == 1


def test_all_allocated_means_one_table_a_nudge_for_each_pod_and_the_status_in_one_plan():
    cluster = two_hosts()
    cluster.settle()
    cluster.bind()
    plan = cluster.turn(3)
    first, *nudges = plan.patches
    assert (first.resource.kind, first.name) == ("ConfigMap", "b0-1-rank-table")
    sha256 = hash_file(first.body["data"]["hccl.json"])
    assert [(n.resource.kind, n.name) for n in nudges] == [("Pod", f"b0-1-{i}") for i in range(4)]
    annotations = {
        "efficientnet.dev/rank-table": sha256,
        "efficientnet.dev/peers": hash_file(first.body["data"]["peers.json"]),
    }
    assert all(n.body == {"metadata": {"annotations": annotations}} for n in nudges)
    assert plan.status["rankTable"]["configMap"] == "b0-1-rank-table"
    assert plan.status["rankTable"]["sha256"] == sha256
    assert plan.status["rankTable"]["completedAt"] == "2026-01-01T12:00:03.000000Z"
    assert plan.status["npus"] == {"total": 4, "allocated": 4}
    assert cluster.condition("Allocated") == ("True", "RankTablePublished")
    table = json.loads(first.body["data"]["hccl.json"])
    assert table["server_count"] == "2"


def test_the_table_is_published_once_and_a_lost_nudge_is_given_again():
    cluster = two_hosts()
    cluster.settle()
    cluster.bind()
    cluster.settle()
    assert not cluster.plan().patches
    sha256 = cluster.status["rankTable"]["sha256"]
    cluster.change("b0-1-2", annotations={})
    (nudge,) = cluster.plan().patches
    assert (nudge.resource.kind, nudge.name) == ("Pod", "b0-1-2")
    assert nudge.body["metadata"]["annotations"] == {
        "efficientnet.dev/rank-table": sha256,
        "efficientnet.dev/peers": cluster.pods["b0-1-1"].annotations["efficientnet.dev/peers"],
    }


@pytest.mark.parametrize("stage", ["created", "bound", "running", "succeeded"])
def test_a_second_look_changes_nothing(stage):
    cluster = two_hosts()
    cluster.settle()
    if stage != "created":
        cluster.bind()
    if stage in {"running", "succeeded"}:
        cluster.start()
        cluster.progress = {"rank": 0, "step": 7, "loss": 0.5, "phase": "training"}
    cluster.settle()
    if stage == "succeeded":
        cluster.pods = {n: succeeded(p) for n, p in cluster.pods.items()}
        cluster.settle()
    assert is_empty(cluster.turn(0))
    assert is_empty(cluster.turn(1))


def test_success_has_the_final_figures_of_rank_0():
    cluster = two_hosts()
    cluster.run()
    cluster.progress = {"rank": 0, "step": 280, "loss": 0.5, "phase": "training"}
    cluster.turn()
    final = {"rank": 0, "step": 300, "loss": 0.0612, "top1": 0.987, "top5": 1.0}
    for index in range(4):
        name = f"b0-1-{index}"
        report = final if index == 2 else {"rank": index + 1, "step": 300}
        cluster.pods[name] = succeeded(cluster.pods[name], **report)
    plan = cluster.turn(60)
    assert plan.status_first
    assert cluster.condition("Succeeded") == ("True", "Completed")
    assert cluster.message("Succeeded") == "all 4 ranks succeeded, step 300, top-1 0.987"
    assert cluster.condition("Running") == ("False", "Completed")
    assert cluster.status["phase"] == "Succeeded"
    assert cluster.status["completionTime"] == "2026-01-01T12:01:00.000000Z"
    assert (
        cluster.status["progress"].items() >= {"step": 300, "top1": 0.987, "percent": 100}.items()
    )
    (record,) = cluster.status["history"]
    assert record.items() >= {"reason": "Completed", "charged": False, "step": 300}.items()
    assert [e.reason for e in plan.events] == ["Completed"]
    assert plan.deletes == ()


def test_one_rank_that_is_done_early_ends_nothing():
    cluster = two_hosts()
    cluster.run()
    cluster.pods["b0-1-3"] = succeeded(cluster.pods["b0-1-3"], rank=3)
    assert is_empty(cluster.turn())


@pytest.mark.parametrize("policy, deleted", [("None", 0), ("Running", 0), ("All", 4)])
def test_clean_pod_policy_after_success(policy, deleted):
    cluster = two_hosts(runPolicy={"cleanPodPolicy": policy})
    cluster.run()
    cluster.pods = {n: succeeded(p) for n, p in cluster.pods.items()}
    assert len(cluster.turn().deletes) == deleted


def test_without_its_config_map_an_attempt_waits():
    cluster = two_hosts()
    cluster.settle()
    cluster.bind()
    cluster.config_maps.clear()
    plan = cluster.turn()
    assert plan.patches == ()
    assert plan.requeue_s


def test_no_table_is_published_into_nothing():
    draft = Draft.begin(two_hosts().view(), T0)
    assert publish_table(draft)
    assert draft.to_plan().waits_for == "the rank table's ConfigMap"


def test_a_foreign_object_under_a_childs_name_is_told_and_left_alone():
    cluster = two_hosts()
    cluster.turn()
    del cluster.pods["b0-1-2"]
    message = "Pod default/b0-1-2 exists and is of no controller"
    cluster.refusals = {
        "b0-1-1": Refusal("Other", "m"),
        "b0-1-2": Refusal("NameConflict", message),
        "b0-1-rank-table": Refusal("NameConflict", "ConfigMap"),
    }
    plan = cluster.turn()
    assert plan.pods == plan.deletes == ()
    assert plan.requeue_s == 10
    assert cluster.condition("Created") == ("False", "NameConflict")
    assert cluster.message("Created") == "ConfigMap (also: b0-1-1, b0-1-2)"
    assert [(e.type, e.reason) for e in plan.events] == [("Warning", "NameConflict")]
    cluster.refusals = {"b0-1-2": Refusal("NameConflict", message)}
    cluster.turn()
    assert cluster.message("Created") == message
    cluster.refusals = {}
    assert [p["metadata"]["name"] for p in cluster.turn().pods] == ["b0-1-2"]


def test_a_foreign_pod_with_our_labels_is_not_ours():
    cluster = two_hosts()
    foreign = a_pod(0, owner_uid="somebody")
    cluster.pods["foreign"] = replace(foreign, name="foreign", phase="Failed", deleting=True)
    cluster.run()
    assert cluster.status["attempt"] == 1


def test_a_foreign_config_map_is_not_written():
    cluster = two_hosts()
    cluster.settle()
    cluster.bind()
    metadata = cluster.config_maps["b0-1-rank-table"]["metadata"]
    metadata["ownerReferences"][0]["uid"] = "somebody"
    plan = cluster.plan()
    assert plan.patches == ()
    # The API server will say whose it is, and the condition after it.
    assert [c["metadata"]["name"] for c in plan.creates] == ["b0-1-rank-table"]


def test_a_lost_table_is_published_again():
    cluster = two_hosts()
    cluster.run()
    table = cluster.config_maps.pop("b0-1-rank-table")["data"]
    cluster.settle()
    assert cluster.config_maps["b0-1-rank-table"]["data"] == table
    assert cluster.status["attempt"] == 1
    assert cluster.status["phase"] == "Running"


def test_a_refused_child_that_is_tried_again_is_told_once():
    cluster = two_hosts()
    cluster.refusals = {"b0-1-0": Refusal("NameConflict", "Pod b0-1-0 is somebody's")}
    cluster.turn()
    assert cluster.condition("Created") == ("False", "NameConflict")
    cluster.refusals = {}
    plan = cluster.plan()
    assert len(plan.pods) == 4
    assert plan.events == ()
    cluster.execute(plan)
    assert cluster.condition("Created") == ("False", "NameConflict")


def test_ranks_are_not_ordered_by_nodes_that_cannot_be_read():
    cluster = Cluster(a_job(4, scheduling={"npusPerHost": 2, "topologyKey": "rack"}))
    cluster.settle()
    cluster.bind()
    cluster.nodes = {"node-0": NodeFacts({}, {"rack": "b"})}
    cluster.turn()
    assert cluster.condition("Allocated") == ("False", "NodeUnreadable")
    words = "scheduling.topologyKey rack orders the ranks, and node node-1 is not known: {}; "
    words += "grant the operator the right to get nodes, or leave topologyKey away"
    assert cluster.message("Allocated") == words.format("it was not found")
    view = replace(cluster.view(), node_source="nodes cannot be read (403)")
    plan = reconcile(view, cluster.now)
    (told,) = (c for c in plan.status["conditions"] if c["type"] == "Allocated")
    assert told["message"] == words.format("nodes cannot be read (403)")
    cluster.nodes["node-1"] = NodeFacts({}, {"rack": "a"})
    cluster.settle()
    assert cluster.condition("Allocated") == ("True", "RankTablePublished")


def test_a_predecessors_pods_are_waited_for():
    cluster = two_hosts()
    old = replace(JOB, uid="older")
    cluster.pods["old"] = replace(a_pod(0, job=old), name="old", deleting=True)
    plan = cluster.turn()
    assert plan.pods == plan.creates == plan.deletes == ()
    assert cluster.condition("Created") == ("False", "WaitingForPods")
    want = "1 pods of a deleted job of the same name still exist: old"
    assert cluster.message("Created") == want
    assert plan.requeue_s
    del cluster.pods["old"]
    assert len(cluster.turn().pods) == 4


def test_a_pod_that_only_claims_an_older_job_is_not_waited_for():
    cluster = two_hosts()
    old = replace(JOB, uid="older")
    cluster.pods["x"] = replace(a_pod(0, job=old, owner_uid="somebody"), name="x")
    assert len(cluster.turn().pods) == 4


def test_a_finished_pod_needs_no_nudge():
    cluster = two_hosts()
    cluster.run()
    cluster.pods["b0-1-3"] = replace(succeeded(cluster.pods["b0-1-3"]), annotations={})
    assert cluster.turn().patches == ()


def test_a_job_that_is_being_deleted_is_left_alone():
    cluster = two_hosts()
    cluster.run()
    cluster.job["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    cluster.pods["b0-1-0"] = replace(cluster.pods["b0-1-0"], deleting=True)
    plan = cluster.plan()
    assert is_empty(plan)
    assert plan.waits_for == "the API server to delete the job"


def test_a_job_that_another_controller_runs_is_left_alone():
    cluster = two_hosts(runPolicy={"managedBy": "kueue.x-k8s.io/multikueue"})
    plan = cluster.plan()
    assert is_empty(plan)
    assert "kueue.x-k8s.io/multikueue" in plan.waits_for


def test_times_are_of_the_reconciliation():
    cluster = two_hosts()
    cluster.turn()
    cluster.now += timedelta(seconds=2)
    cluster.settle()
    created = next(c for c in cluster.status["conditions"] if c["type"] == "Created")
    assert created["lastTransitionTime"] == "2026-01-01T12:00:02.000000Z"
    assert cluster.status["startTime"] == "2026-01-01T12:00:00.000000Z"
