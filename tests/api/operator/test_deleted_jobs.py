"""A job is deleted in any of its phases: nothing follows, nothing is left, all is forgotten."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from operator_lab.job import JOBS
from operator_lab.waiting import wait_until
from prometheus_client.parser import text_string_to_metric_families

HOLD = {"metadata": {"finalizers": ["tests.efficientnet.dev/hold"]}}
RELEASE = {"metadata": {"finalizers": None}}
NOWHERE = {"spec": {"nodeSelector": {"there-is": "no-such-node"}}}
HELD = "restarting-1-0"


def fail_attempt(job, attempt):
    job.end(job.run(attempt)[0], 1)
    job.wait(f"begins attempt {attempt + 1}", lambda s: s["attempt"] == attempt + 1)


def pending(lab):
    job = lab.job("pending", npus=2, podTemplate=NOWHERE)
    job.wait_condition("Scheduled", "False", "Unschedulable")
    return job


def before_the_table(lab):
    job = lab.job("allocating", npus=2)
    job.allocate(job.wait_bound(2)[0], [0])
    job.wait("knows of 1 NPU", lambda s: s.get("npus", {}).get("allocated") == 1)
    return job


def running(lab):
    job = lab.job("running", npus=2, scheduling={"gang": "Native"})
    job.run()
    return job


def restarting(lab):
    job = lab.job("restarting", npus=2)
    pods = job.run()
    lab.api.patch("pods", lab.namespace, HELD, HOLD)
    job.end(pods[1], 1)
    job.wait_condition("Created", "False", "WaitingForPods")
    return job


def waiting_for_the_back_off(lab):
    job = lab.job("backing-off", npus=1)
    fail_attempt(job, 1)
    fail_attempt(job, 2)
    job.wait("has no pods", lambda _: not job.pods())
    return job


def suspended(lab):
    job = lab.job("suspended", npus=1)
    job.run()
    job.patch({"runPolicy": {"suspend": True}})
    job.wait_phase("Suspended")
    return job


def succeeded(lab):
    job = lab.job("succeeded", npus=1)
    job.end(job.run()[0], 0)
    job.wait_phase("Succeeded")
    return job


def failed(lab):
    job = lab.job("failed", npus=1)
    job.end(job.run()[0], 3)
    job.wait_phase("Failed")
    return job


PHASES = (
    pending,
    before_the_table,
    running,
    restarting,
    waiting_for_the_back_off,
    suspended,
    succeeded,
    failed,
)


def known_jobs(operator):
    """How many jobs the operator knows of, by its own metrics."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(operator.fetch("/metrics"))
        for sample in family.samples
        if sample.name == "efficientnet_operator_jobs"
    )


def deletion_versions(lab):
    """The resourceVersion at which each job was deleted, or began to be."""
    found = {}
    for event, job in lab.history(JOBS):
        meta = job["metadata"]
        if event == "DELETED" or meta.get("deletionTimestamp"):
            found.setdefault(meta["name"], int(meta["resourceVersion"]))
    return found


@pytest.mark.parametrize("propagation", ["Foreground", "Background"])
def test_a_job_may_be_deleted_at_any_time(lab, propagation):
    wait_until("the jobs of other tests are forgotten", lambda: known_jobs(lab.operator) == 0)
    with ThreadPoolExecutor(len(PHASES)) as pool:
        jobs = list(pool.map(lambda bring: bring(lab), PHASES))
    wait_until("all are counted", lambda: known_jobs(lab.operator) == len(PHASES))
    for job in jobs:
        lab.api.delete(JOBS, lab.namespace, job.name, propagation)

    def left():
        found = [
            item["metadata"]["name"]
            for resource in ("pods", "configmaps", "podgroups", JOBS)
            for item in lab.api.list_all(resource, lab.namespace)
        ]
        return [name for name in found if name not in {"kube-root-ca.crt", *held}]

    # What is held stays; with the foreground its job does, too.
    held = {HELD, "restarting"}
    wait_until("the others are gone", lambda: not left(), state=left)
    lab.api.patch("pods", lab.namespace, HELD, RELEASE)
    held = set()
    wait_until("all is gone", lambda: not left(), state=left)
    wait_until("all are forgotten", lambda: known_jobs(lab.operator) == 0)
    deleted = deletion_versions(lab)
    for event, pod in lab.history("pods"):
        meta = pod["metadata"]
        owner = meta.get("labels", {}).get("efficientnet.dev/job-name")
        if event == "ADDED" and owner:
            assert int(meta["resourceVersion"]) < deleted[owner], f"{meta['name']} came later"
