"""What is none of the operator's business does not come into its memory."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

PODS = int(os.environ.get("UNRELATED_PODS", "1000"))
"""Enough to see it: an operator that kept them would grow by 6 KB each, or 35 KB as JSON."""
ALLOWED_BYTES = 5 * 1024 * 1024
POD = {
    "metadata": {"generateName": "unrelated-", "labels": {"app": "something-else"}},
    # Nobody binds them, or they would take the place of pods of other tests.
    "spec": {"schedulerName": "nobody", "containers": [{"name": "c", "image": "none"}]},
}


def resident_bytes(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def pod_events(operator):
    return sum(
        sample.value
        for family in text_string_to_metric_families(operator.fetch("/metrics"))
        for sample in family.samples
        if sample.name == "efficientnet_operator_watch_events_total"
        and sample.labels["resource"] == "pods"
    )


def test_pods_of_others_are_neither_heard_of_nor_kept(lab):
    lab.job("before", npus=1).run()  # what a first job costs is not what is asked here
    bytes_before, events_before = resident_bytes(lab.operator.pid), pod_events(lab.operator)
    with ThreadPoolExecutor(16) as pool:
        for _ in pool.map(lambda _: lab.api.create("pods", lab.namespace, POD), range(PODS)):
            pass
    job = lab.job(npus=1)
    job.run()
    grown = resident_bytes(lab.operator.pid) - bytes_before
    heard = pod_events(lab.operator) - events_before
    # Once more with the list of a new start, which all pods are there for.
    lab.operator.kill()
    lab.operator.start()
    (pod,) = job.pods()
    job.end(pod, 0)
    job.wait_phase("Succeeded")
    restarted = resident_bytes(lab.operator.pid) - bytes_before
    print(f"{PODS} pods: {grown / 2**20:+.1f} MiB, after a restart {restarted / 2**20:+.1f} MiB")
    assert grown < ALLOWED_BYTES
    assert restarted < ALLOWED_BYTES
    assert heard < PODS / 10
