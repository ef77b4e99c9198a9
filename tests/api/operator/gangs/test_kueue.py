"""Jobs that Kueue admits, by the schema of its Workloads.

Kueue does not run here: what it would write into a Workload's status, its
scheduler's part and no more, is written by the test.
"""

from datetime import UTC, datetime

import pytest
from operator_lab.job import JOBS, Job
from operator_lab.waiting import wait_until

LABELS = {"kueue.x-k8s.io/queue-name": "team-a"}
RACK = "example.com/rack"


class Kueue:
    """The part of Kueue for one job."""

    def __init__(self, lab, job):
        self.lab = lab
        self.name = f"efficientnetjob-{job.name}"

    @property
    def workload(self):
        return self.lab.api.find("workloads", self.lab.namespace, self.name) or {}

    @property
    def conditions(self):
        found = self.workload.get("status", {}).get("conditions", [])
        return {c["type"]: (c["status"], c["reason"]) for c in found}

    def wait_workload(self):
        return wait_until(f"Workload {self.name} exists", lambda: self.workload)

    def wait_condition(self, kind, *want):
        def reached():
            return self.conditions.get(kind) == want

        wait_until(f"{kind} is {want}", reached, state=lambda: self.conditions)

    def say(self, *told, **more):
        """Write conditions, each (type, status, reason, message), and more of the status."""
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        fields = ("type", "status", "reason", "message")
        new = [dict(zip(fields, t, strict=True)) | {"lastTransitionTime": moment} for t in told]
        kinds = {c["type"] for c in new}
        old = self.workload.get("status", {}).get("conditions", [])
        kept = [c for c in old if c["type"] not in kinds]
        body = {"status": {"conditions": [*kept, *new], **more}}
        self.lab.api.patch("workloads", self.lab.namespace, self.name, body, "status")

    def admit(self, flavor):
        assignment = {"name": "main", "flavors": {"huawei.com/Ascend910": flavor}, "count": 2}
        admission = {"clusterQueue": "all", "podSetAssignments": [assignment]}
        self.say(
            ("QuotaReserved", "True", "QuotaReserved", "Quota reserved in ClusterQueue all"),
            ("Evicted", "False", "QuotaReserved", "Previously: preempted"),
            ("Admitted", "True", "Admitted", "The workload is admitted"),
            admission=admission,
        )

    def evict(self):
        self.say(("Evicted", "True", "Preempted", "Preempted to accommodate another workload"))


@pytest.fixture
def flavors(lab):
    """Flavor rack-b, of the nodes of that rack; one for each test, as they are cluster-wide."""
    toleration = {"key": "rack", "operator": "Equal", "value": "b", "effect": "NoSchedule"}
    body = {
        "apiVersion": "kueue.x-k8s.io/v1beta2",
        "kind": "ResourceFlavor",
        "metadata": {"name": "rack-b"},
        "spec": {"nodeLabels": {RACK: "b"}, "tolerations": [toleration]},
    }
    lab.api.create("resourceflavors", "", body)
    yield [toleration]
    lab.api.delete("resourceflavors", "", "rack-b")


def a_queued_job(lab, **spec):
    job = Job(lab.api, lab.namespace, "digits", {"npus": 2, **spec}, LABELS).create()
    return job, Kueue(lab, job)


def test_a_queued_job_waits_in_kueues_words_and_runs_where_its_flavor_says(lab, flavors):
    job, kueue = a_queued_job(lab)
    workload = kueue.wait_workload()
    assert workload["spec"]["queueName"] == "team-a"
    (pods,) = workload["spec"]["podSets"]
    assert (pods["name"], pods["count"]) == ("main", 2)
    limits = pods["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"huawei.com/Ascend910": "1"}
    owner = workload["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["uid"]) == ("EfficientNetJob", job.uid)
    job.wait_condition("Suspended", "True", "WaitingForAdmission")

    kueue.say(("QuotaReserved", "False", "Pending", "couldn't assign flavors to pod set main"))
    job.wait("has Kueue's words", lambda _: "couldn't assign flavors" in suspended(job))
    assert job.pods() == []

    kueue.admit("rack-b")
    pods = job.run()
    for pod in pods:
        assert pod["spec"]["nodeSelector"][RACK] == "b"
        assert pod["spec"]["nodeName"] in {"fake2", "fake3"}
        assert flavors[0] in pod["spec"]["tolerations"]
    kueue.wait_condition("PodsReady", "True", "Started")
    assert job.document["spec"]["runPolicy"]["suspend"] is False
    assert job.document["metadata"]["generation"] == 1

    for pod in pods:
        job.end(pod, 0)
    job.wait_phase("Succeeded")
    kueue.wait_condition("Finished", "True", "Succeeded")


def test_an_evicted_job_gives_pods_and_quota_back_and_comes_again_uncharged(lab, flavors):
    job, kueue = a_queued_job(lab)
    kueue.wait_workload()
    kueue.admit("rack-b")
    first = job.run()
    kueue.wait_condition("PodsReady", "True", "Started")
    kueue.evict()
    words = job.wait_condition("Suspended", "True", "Evicted")
    assert "Preempted to accommodate another workload" in words
    job.wait("has no pods", lambda _: not job.pods())
    kueue.wait_condition("QuotaReserved", "False", "Pending")
    assert "admission" not in kueue.workload["status"]
    assert kueue.conditions["Admitted"] == ("False", "NoReservation")
    assert kueue.conditions["Requeued"] == ("True", "Preempted")
    kueue.wait_condition("PodsReady", "False", "WaitForStart")

    kueue.admit("rack-b")
    second = job.run()
    status = job.status
    assert (status["attempt"], status["restarts"]) == (1, 0)
    assert not {p["metadata"]["uid"] for p in first} & {p["metadata"]["uid"] for p in second}


def test_a_flavor_that_does_not_exist_is_named(lab):
    job, kueue = a_queued_job(lab)
    kueue.wait_workload()
    kueue.admit("gone")
    words = job.wait_condition("Created", "False", "FlavorUnreadable")
    assert "ResourceFlavor gone" in words
    assert "not found" in words


def test_a_workload_that_is_taken_out_of_its_queue_stops_its_job(lab, flavors):
    job, kueue = a_queued_job(lab)
    kueue.wait_workload()
    kueue.admit("rack-b")
    job.run()
    body = {"spec": {"active": False}}
    lab.api.patch("workloads", lab.namespace, kueue.name, body)
    assert "spec.active" in job.wait_condition("Suspended", "True", "Deactivated")
    job.wait("has no pods", lambda _: not job.pods())


def test_a_suspended_job_leaves_its_queue_and_a_deleted_one_takes_its_workload_along(lab, flavors):
    job, kueue = a_queued_job(lab)
    kueue.wait_workload()
    kueue.admit("rack-b")
    job.run()
    job.patch({"runPolicy": {"suspend": True}})
    wait_until("the Workload is gone", lambda: not kueue.workload)
    assert job.pods() == []
    job.patch({"runPolicy": {"suspend": False}})
    kueue.wait_workload()
    job.delete()
    wait_until("the Workload went with its job", lambda: not kueue.workload, deadline_s=60)


def test_the_queue_follows_the_label_until_quota_is_held(lab, flavors):
    job, kueue = a_queued_job(lab)
    kueue.wait_workload()

    def move(queue):
        body = {"metadata": {"labels": {"kueue.x-k8s.io/queue-name": queue}}}
        lab.api.patch(JOBS, lab.namespace, job.name, body)

    move("team-b")
    wait_until("the queue is team-b", lambda: kueue.workload["spec"]["queueName"] == "team-b")
    kueue.admit("rack-b")
    job.run()
    move("team-c")
    job.wait("keeps running", lambda s: s["phase"] == "Running")
    assert kueue.workload["spec"]["queueName"] == "team-b"


def suspended(job):
    return job.condition("Suspended").get("message", "")
