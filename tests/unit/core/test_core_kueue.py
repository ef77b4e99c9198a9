"""Kueue decides when a job runs: queued, admitted, evicted, and told how it goes."""

from dataclasses import replace

import pytest
from core_builders import JOB, UID, Cluster, a_job, failed, is_empty, succeeded
from efficientnet_operator.core.kueue.workload_view import (
    Flavor,
    Queueing,
    parse_flavor,
    parse_named_flavor,
    parse_workload,
)
from efficientnet_operator.core.resources import WORKLOADS
from efficientnet_operator.core.view import FORBIDDEN, NOT_SERVED, Refusal

V1BETA2, V1BETA1 = WORKLOADS
NAME = "efficientnetjob-b0"
QUEUE = {"labels": {"kueue.x-k8s.io/queue-name": "team-a"}}
NPU = "huawei.com/Ascend910"
FLAVORS = {
    "ascend": Flavor({"pool": "ascend"}, ({"key": "ascend", "operator": "Exists"},)),
    "plain": Flavor({"zone": "z1"}),
}


class Queued(Cluster):
    """A cluster whose operator works with Kueue; ``workload`` is the Workload's JSON."""

    kueue = True
    flavors = FLAVORS

    @property
    def workload(self):
        return self.groups.get(NAME)

    def view(self):
        view = super().view()
        groups = tuple(g for g in view.groups if g.name != NAME)
        known = self.workload and parse_workload(V1BETA2, self.workload)
        queueing = (
            Queueing(known, self.flavors, "" if self.flavors else "403") if self.kueue else None
        )
        return replace(view, groups=groups, kueue=queueing)

    def execute(self, plan):
        super().execute(plan)
        for patch in plan.reports:
            assert patch.subresource == "status"
            self.workload.setdefault("status", {}).update(patch.body["status"])

    def say(self, kind, status=True, reason="Said", message="", **more):
        """Let Kueue set a condition; ``more`` goes beside it in the status."""
        stored = self.workload.setdefault("status", {})
        others = [c for c in stored.get("conditions", []) if c["type"] != kind]
        moment = "2026-01-01T12:00:00Z"
        told = {"type": kind, "status": str(status), "reason": reason, "message": message,
                "lastTransitionTime": moment}  # fmt: skip
        stored |= {"conditions": [*others, told], **more}

    def admit(self):
        flavors = {NPU: "ascend", "cpu": "plain"}
        assignments = [{"name": "main", "flavors": flavors, "count": 4}]
        admission = {"clusterQueue": "all", "podSetAssignments": assignments}
        self.say("QuotaReserved", admission=admission)
        self.say("Evicted", False)
        self.say("Admitted")

    def evict(self, reason="Preempted", message="preempted by another"):
        self.say("Evicted", True, reason, message)

    def told(self, kind):
        """Return (status, reason) of a condition on the Workload."""
        conditions = self.workload.get("status", {}).get("conditions", [])
        return next(((c["status"], c["reason"]) for c in conditions if c["type"] == kind), None)


def a_queued_job(**spec):
    spec = {"scheduling": {"npusPerHost": 2}, **spec}
    return Queued(a_job(4, metadata=QUEUE, **spec))


def a_running_queued_job(**spec):
    cluster = a_queued_job(**spec)
    cluster.settle()
    cluster.admit()
    cluster.run()
    return cluster


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
