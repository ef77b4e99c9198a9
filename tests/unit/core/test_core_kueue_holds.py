"""What of Kueue holds a job back or stops it: evictions, its Workload, its API."""

import pytest
from core_builders import a_job, failed, is_empty
from efficientnet_operator.core.resources import WORKLOADS
from efficientnet_operator.core.view import FORBIDDEN, NOT_SERVED
from kueue_builders import NAME, V1BETA1, V1BETA2, Queued, a_queued_job, a_running_queued_job


@pytest.mark.parametrize(
    "reason, requeued", [("Preempted", "True"), ("PodsReadyTimeout", "False")]
)
def test_an_evicted_job_gives_its_pods_back_and_then_its_quota(reason, requeued):
    cluster = a_running_queued_job()
    cluster.evict(reason)
    plan = cluster.turn()
    assert len(plan.deletes) == 4
    assert {d.grace_s for d in plan.deletes} == {None}  # time for a checkpoint
    assert cluster.condition("Suspended") == ("True", "Evicted")
    assert cluster.message("Suspended") == "queue team-a: evicted: preempted by another"
    assert cluster.told("PodsReady") == ("False", "WaitForRecovery")
    cluster.turn()
    assert cluster.workload["status"]["admission"]  # its pods still hold the NPUs
    cluster.collect()
    cluster.turn()
    assert cluster.workload["status"]["admission"] is None
    assert cluster.told("QuotaReserved") == ("False", "Pending")
    assert cluster.told("Admitted") == ("False", "NoReservation")
    assert cluster.told("Requeued") == (requeued, reason)
    assert cluster.told("PodsReady") == ("False", "WaitForRecovery")
    cluster.settle()
    assert cluster.told("PodsReady") == ("False", "WaitForStart")
    cluster.say("QuotaReserved", False, message="no quota")
    cluster.turn()
    assert cluster.message("Suspended").endswith("; since then: no quota")

    cluster.admit()
    cluster.run()
    assert cluster.condition("Suspended") == ("False", "Admitted")
    assert cluster.message("Suspended") == "admitted by ClusterQueue all"
    assert (cluster.status["attempt"], cluster.status["restarts"]) == (1, 0)
    assert "history" not in cluster.status
    assert cluster.told("PodsReady")[0] == "True"


def test_a_job_that_is_evicted_before_its_checks_passed_gives_only_its_quota_back():
    cluster = a_queued_job()
    cluster.settle()
    admission = {"clusterQueue": "all", "podSetAssignments": []}
    cluster.say("QuotaReserved", admission=admission)
    cluster.evict("AdmissionCheck", "no machines to be had")
    cluster.turn()
    assert cluster.told("QuotaReserved") == ("False", "Pending")
    assert cluster.workload["status"]["admission"] is None
    assert cluster.told("Admitted") is None


def test_what_the_pods_of_an_evicted_job_end_with_is_no_failure():
    cluster = a_running_queued_job(runPolicy={"backoffLimit": 0})
    cluster.evict()
    cluster.turn()
    for name in cluster.pods:
        cluster.pods[name] = failed(cluster.pods[name], 75)
    cluster.turn()
    cluster.collect()
    cluster.settle()
    cluster.admit()
    cluster.run()
    assert cluster.status["restarts"] == 0


ADMISSION = f"Kueue to admit Workload {NAME}"
HOLDS = {
    "taken out of its queue": (
        lambda c: c.workload["spec"].update(active=False),
        "Deactivated",
        f"queue team-a: spec.active of Workload {NAME} is false",
        ADMISSION,
    ),
    "its admission withdrawn": (
        lambda c: c.say("Admitted", False),
        "WaitingForAdmission",
        "queue team-a: nothing was heard from Kueue yet",
        ADMISSION,
    ),
    "its quota withdrawn": (
        lambda c: (c.say("Admitted", False), c.say("QuotaReserved", False, message="no quota")),
        "WaitingForAdmission",
        "queue team-a: no quota",
        ADMISSION,
    ),
    "evicted without a word": (
        lambda c: (c.evict(message=""), c.say("QuotaReserved", message="quota reserved")),
        "Evicted",
        "queue team-a: evicted: no reason given",
        ADMISSION,
    ),
    "its Workload on the way out": (
        lambda c: c.workload["metadata"].update(deletionTimestamp="2026-01-01T12:00:00Z"),
        "WaitingForAdmission",
        f"queue team-a: Workload {NAME} is being deleted",
        "a new Workload",
    ),
    "its Workload deleted": (
        lambda c: c.groups.pop(NAME),
        "WaitingForAdmission",
        "queue team-a: its Workload is made",
        "its Workload",
    ),
}


@pytest.mark.parametrize("happens, reason, words, waits_for", HOLDS.values(), ids=HOLDS)
def test_a_running_job_stops_when_it_is(happens, reason, words, waits_for):
    cluster = a_running_queued_job()
    happens(cluster)
    plan = cluster.turn()
    assert {d.resource.kind for d in plan.deletes} == {"Pod"}
    assert cluster.condition("Suspended") == ("True", reason)
    assert cluster.message("Suspended") == words
    assert plan.waits_for == waits_for


ABSENT = {
    "not installed": (
        {V1BETA2: NOT_SERVED, V1BETA1: NOT_SERVED},
        "KueueApiMissing",
        "are not served here: install Kueue, or start the operator without --kueue; "
        "it is looked for each minute",
    ),
    "closed": (
        {V1BETA2: FORBIDDEN, V1BETA1: NOT_SERVED},
        "KueueApiForbidden",
        "may not be listed by the operator: set the chart's value kueue.enabled",
    ),
}


@pytest.mark.parametrize("absent, reason, words", ABSENT.values(), ids=ABSENT)
def test_without_kueues_api_a_labelled_job_waits_and_others_run(absent, reason, words):
    cluster = a_queued_job()
    cluster.absent = absent
    plan = cluster.turn()
    assert plan.creates == plan.pods == ()
    assert plan.requeue_s == 10
    assert cluster.condition("Suspended") == ("True", reason)
    where = "workloads of kueue.x-k8s.io/v1beta2"
    told = f"the label kueue.x-k8s.io/queue-name is team-a, and {where} {words}"
    assert cluster.message("Suspended") == told
    assert plan.waits_for == where
    cluster.absent = {V1BETA2: NOT_SERVED}
    (workload,) = cluster.turn().creates
    assert workload["apiVersion"] == "kueue.x-k8s.io/v1beta1"
    plain = Queued(a_job(4, scheduling={"npusPerHost": 2}))
    plain.absent = absent
    plain.run()


def test_a_job_that_runs_does_not_stop_because_kueues_api_went():
    cluster = a_running_queued_job()
    cluster.groups.clear()
    cluster.absent = dict.fromkeys(WORKLOADS, NOT_SERVED)
    assert is_empty(cluster.turn())
