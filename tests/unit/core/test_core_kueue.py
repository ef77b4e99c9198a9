"""Kueue decides when a job runs: queued, admitted, and told how it goes."""

import pytest
from core_builders import JOB, UID, failed, is_empty, succeeded
from efficientnet_operator.core.kueue.workload_view import (
    Flavor,
    parse_flavor,
    parse_named_flavor,
    parse_workload,
)
from efficientnet_operator.core.view import Refusal
from kueue_builders import FLAVORS, NAME, NPU, V1BETA2, a_queued_job, a_running_queued_job


def test_a_labelled_job_is_described_to_kueue_and_waits():
    cluster = a_queued_job()
    plan = cluster.turn()
    assert plan.status_first
    assert plan.pods == ()
    (workload,) = plan.creates
    assert (workload["apiVersion"], workload["kind"]) == ("kueue.x-k8s.io/v1beta2", "Workload")
    assert workload["metadata"]["name"] == NAME
    assert workload["metadata"]["ownerReferences"][0]["uid"] == UID
    assert workload["metadata"]["labels"]["kueue.x-k8s.io/job-uid"] == UID
    assert workload["spec"]["queueName"] == "team-a"
    (pods,) = workload["spec"]["podSets"]
    assert (pods["name"], pods["count"]) == ("main", 4)
    assert pods["template"]["spec"]["containers"][0]["resources"] == {"limits": {NPU: "1"}}
    assert set(pods["template"]["metadata"]) == {"labels"}
    cluster.turn()
    assert cluster.condition("Suspended") == ("True", "WaitingForAdmission")
    assert cluster.message("Suspended") == "queue team-a: nothing was heard from Kueue yet"
    assert cluster.status["phase"] == "Suspended"
    assert "startTime" not in cluster.status
    assert is_empty(cluster.turn())


WAITING = {
    "for quota": (
        [("QuotaReserved", False, "couldn't assign flavors: insufficient quota")],
        {},
        "couldn't assign flavors: insufficient quota",
    ),
    "for quota before its admission checks are asked": (
        [("QuotaReserved", False, "insufficient quota")],
        {"admissionChecks": [{"name": "capacity", "state": "Pending", "message": "2 nodes more"}]},
        "insufficient quota",
    ),
    "for two admission checks": (
        [("QuotaReserved", True, "quota reserved")],
        {
            "admissionChecks": [
                {"name": "capacity", "state": "Pending", "message": "2 nodes more"},
                {"name": "budget", "state": "Retry", "message": "next month"},
            ]
        },
        "admission check capacity is Pending: 2 nodes more; "
        "admission check budget is Retry: next month",
    ),
    "for an admission check": (
        [("QuotaReserved", True, "quota reserved")],
        {"admissionChecks": [{"name": "capacity", "state": "Pending", "message": "2 nodes more"}]},
        "admission check capacity is Pending: 2 nodes more",
    ),
}


@pytest.mark.parametrize("conditions, more, words", WAITING.values(), ids=WAITING)
def test_kueues_own_words_say_what_a_job_waits_for(conditions, more, words):
    cluster = a_queued_job()
    cluster.settle()
    for kind, status, message in conditions:
        cluster.say(kind, status, message=message, **more)
    cluster.turn()
    assert cluster.condition("Suspended") == ("True", "WaitingForAdmission")
    assert cluster.message("Suspended") == f"queue team-a: {words}"


def test_an_admitted_job_runs_where_its_flavors_say():
    cluster = a_queued_job(podTemplate={"spec": {"nodeSelector": {"own": "label"}}})
    cluster.settle()
    cluster.admit()
    plan = cluster.turn()
    assert cluster.condition("Suspended") == ("False", "Admitted")
    assert cluster.message("Suspended") == "admitted by ClusterQueue all"
    for pod in plan.pods:
        selector = {"accelerator": "huawei-Ascend910", "own": "label"}
        assert pod["spec"]["nodeSelector"] == {**selector, "pool": "ascend", "zone": "z1"}
        assert pod["spec"]["tolerations"] == [{"key": "ascend", "operator": "Exists"}]
    cluster.run()
    assert cluster.told("PodsReady") == ("True", "Started")
    assert cluster.status["startTime"]
    assert cluster.job["spec"].get("runPolicy") is None


def test_what_admission_checks_add_reaches_the_pods():
    cluster = a_queued_job()
    cluster.settle()
    update = {"name": "main", "labels": {"l": "1"}, "annotations": {"a": "2"},
              "nodeSelector": {"n": "3"}, "tolerations": [{"key": "t"}]}  # fmt: skip
    other = {"name": "not-ours", "labels": {"x": "y"}}
    check = {"name": "c", "state": "Ready", "podSetUpdates": [update, other]}
    cluster.say("QuotaReserved", admissionChecks=[check])
    cluster.admit()
    (pod, *_) = cluster.turn().pods
    assert pod["metadata"]["labels"]["l"] == "1"
    assert "x" not in pod["metadata"]["labels"]
    assert pod["metadata"]["annotations"]["a"] == "2"
    assert pod["spec"]["nodeSelector"]["n"] == "3"
    assert {"key": "t"} in pod["spec"]["tolerations"]


def test_a_flavor_that_cannot_be_read_is_told():
    cluster = a_queued_job()
    cluster.settle()
    cluster.admit()
    cluster.flavors = {}
    plan = cluster.turn()
    assert plan.pods == ()
    assert cluster.condition("Created") == ("False", "FlavorUnreadable")
    assert cluster.message("Created") == f"ResourceFlavor ascend of Workload {NAME}: 403"
    cluster.flavors = FLAVORS
    assert len(cluster.turn().pods) == 4
    cluster.flavors = {}  # not asked for any more
    cluster.settle()
    assert cluster.condition("Created") == ("True", "PodsCreated")


def test_a_restart_keeps_its_quota_and_tells_of_it():
    cluster = a_running_queued_job()
    cluster.pods["b0-1-2"] = failed(cluster.pods["b0-1-2"], 1)
    cluster.turn()
    cluster.turn(5)
    assert cluster.status["attempt"] == 2
    assert cluster.told("PodsReady") == ("False", "WaitForRecovery")
    assert cluster.workload["status"]["admission"]
    cluster.collect()
    cluster.run()
    assert cluster.told("PodsReady") == ("True", "Recovered")


def test_a_user_who_suspends_leaves_the_queue_when_the_last_pod_is_gone():
    cluster = a_running_queued_job()
    cluster.job["spec"]["runPolicy"] = {"suspend": True}
    cluster.turn()
    assert cluster.condition("Suspended") == ("True", "Suspended")
    assert cluster.workload
    cluster.collect()
    plan = cluster.turn()
    uid = f"uid-of-{NAME}"
    assert [(d.resource, d.name, d.uid) for d in plan.deletes] == [(V1BETA2, NAME, uid)]
    cluster.settle()
    cluster.job["spec"]["runPolicy"] = {"suspend": False}
    cluster.turn()
    assert cluster.condition("Suspended") == ("True", "WaitingForAdmission")
    assert cluster.workload


ENDS = {0: ("Succeeded", "Succeeded"), 3: ("Failed", "Failed")}


@pytest.mark.parametrize("code", ENDS)
def test_the_end_is_told_once(code):
    cluster = a_running_queued_job()
    for name, pod in cluster.pods.items():
        cluster.pods[name] = failed(pod, code) if code else succeeded(pod, rank=pod.index)
    cluster.settle()
    condition, reason = ENDS[code]
    assert cluster.condition(condition)[0] == "True"
    assert cluster.told("Finished") == ("True", reason)
    assert is_empty(cluster.turn())
    assert not cluster.plan().reports


def test_reports_say_at_which_version_they_were_made():
    cluster = a_queued_job()
    cluster.settle()
    cluster.admit()
    cluster.workload["metadata"]["resourceVersion"] = "77"
    (report,) = cluster.plan().reports
    assert (report.resource, report.name) == (V1BETA2, NAME)
    assert report.body["metadata"] == {"resourceVersion": "77"}
    kinds = {c["type"] for c in report.body["status"]["conditions"]}
    assert kinds == {"QuotaReserved", "Admitted", "Evicted", "PodsReady"}


def test_the_queue_can_change_while_no_quota_is_held():
    cluster = a_queued_job()
    cluster.settle()
    cluster.job["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "team-b"}
    (patch,) = cluster.plan().patches
    assert (patch.resource, patch.name) == (V1BETA2, NAME)
    assert patch.body == {"spec": {"queueName": "team-b"}}
    cluster.admit()
    assert not [p for p in cluster.plan().patches if p.resource is V1BETA2]


def test_a_label_that_is_taken_away_changes_nothing():
    cluster = a_running_queued_job()
    cluster.job["metadata"]["labels"] = {}
    assert is_empty(cluster.turn())
    cluster.evict()
    cluster.turn()
    assert cluster.condition("Suspended") == ("True", "Evicted")


def test_a_refused_workload_is_told():
    cluster = a_queued_job()
    cluster.refusals = {NAME: Refusal("NameConflict", f"Workload {NAME} is somebody's")}
    plan = cluster.turn()
    assert plan.creates == ()
    assert plan.requeue_s == 10
    assert cluster.message("Suspended") == f"Workload {NAME} is somebody's"


def test_an_operator_that_was_not_told_of_kueue_heeds_no_label():
    cluster = a_queued_job()
    cluster.kueue = False
    cluster.run()
    assert cluster.workload is None


@pytest.mark.parametrize(
    "workload",
    [
        {},
        {"spec": [], "status": "x"},
        {"status": {"conditions": [1, {"type": None}], "admission": {"podSetAssignments": {}}}},
        {"status": {"admission": {"podSetAssignments": [{"flavors": {"cpu": 1}}]}}},
        {"status": {"admissionChecks": [{"podSetUpdates": 3}, None]}},
    ],
)
def test_a_workload_of_any_shape_can_be_read(workload):
    metadata = {"name": NAME, "namespace": JOB.namespace, "uid": "w"}
    view = parse_workload(V1BETA2, {**workload, "metadata": metadata})
    assert (view.flavors, view.updates, view.is_true("Admitted")) == ((), (), False)


def test_a_flavor_of_any_shape_can_be_read():
    assert parse_flavor({"spec": {"nodeLabels": [], "tolerations": {"a": 1}}}) == Flavor()
    assert parse_named_flavor({"metadata": {"name": "ascend"}}) == ("ascend", Flavor())
