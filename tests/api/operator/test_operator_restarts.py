"""An operator that dies anywhere goes on where it stopped: nothing twice, nothing lost."""

import pytest
from operator_lab.job import HASH

TWO_HOSTS = {"npus": 4, "scheduling": {"npusPerHost": 2}}


def uids(pods):
    return [pod["metadata"]["uid"] for pod in pods]


def completed_writes(lab):
    return [
        event
        for event, found in lab.history("configmaps")
        if '"completed"' in found.get("data", {}).get("hccl.json", "")
    ]


def has_allocated(count):
    return lambda status: status.get("npus", {}).get("allocated") == count


STOPS = {"after the pods were created": 0, "after half the annotations": 2, "when it runs": 4}


@pytest.mark.parametrize("annotated", STOPS.values(), ids=STOPS)
def test_killed_it_goes_on_with_the_same_pods(lab, annotated):
    job = lab.job(**TWO_HOSTS)
    pods = job.wait_bound(4)
    job.allocate_all(pods[:annotated])
    job.wait(f"knows of {annotated} NPUs", has_allocated(annotated))
    lab.operator.kill()
    job.allocate_all(pods)
    lab.operator.start()
    status = job.wait_phase("Running")
    assert (status["attempt"], status["restarts"]) == (1, 0)
    assert uids(job.pods()) == uids(pods)
    assert len(lab.created("pods")) == 4
    assert completed_writes(lab) == ["MODIFIED"]


def test_killed_between_the_table_and_the_nudges_it_nudges_the_rest(lab):
    job = lab.job(**TWO_HOSTS)
    pods = job.run()
    lab.operator.kill()
    for pod in pods[2:]:
        body = {"metadata": {"annotations": {HASH: None}}}
        lab.api.patch("pods", lab.namespace, pod["metadata"]["name"], body)
    lab.operator.start()
    sha256 = job.status["rankTable"]["sha256"]

    def nudged(_):
        return {p["metadata"]["annotations"].get(HASH) for p in job.pods()} == {sha256}

    job.wait("has nudged all pods", nudged)
    assert completed_writes(lab) == ["MODIFIED"]


def test_killed_while_it_creates_pods_it_creates_the_rest(lab):
    job = lab.job(npus=32)
    job.wait("has its first pod", lambda _: job.pods())
    lab.operator.kill()
    lab.operator.start()
    job.run()
    created = lab.created("pods")
    assert sorted(created) == sorted(f"digits-1-{index}" for index in range(32))
    assert job.status["attempt"] == 1
    assert job.table()["server_count"] == "4"


def test_killed_while_a_gang_is_replaced_it_counts_that_restart_once(lab):
    job = lab.job(npus=2)
    pods = job.run()
    held, lost = (pod["metadata"]["name"] for pod in pods)
    hold = {"metadata": {"finalizers": ["tests.efficientnet.dev/hold"]}}
    lab.api.patch("pods", lab.namespace, held, hold)
    lab.api.delete("pods", lab.namespace, lost)
    job.wait_condition("Created", "False", "WaitingForPods")
    lab.operator.kill()
    lab.api.patch("pods", lab.namespace, held, {"metadata": {"finalizers": None}})
    lab.operator.start()
    job.run(attempt=2)
    assert (job.status["attempt"], job.status["restarts"]) == (2, 1)
    assert sorted(lab.created("pods")) == [f"digits-{a}-{i}" for a in (1, 2) for i in (0, 1)]


def test_a_pod_that_is_lost_meanwhile_is_noticed_at_the_start(lab):
    job = lab.job(npus=2)
    job.run()
    lab.operator.kill()
    lab.api.delete("pods", lab.namespace, "digits-1-1")
    lab.operator.start()
    job.run(attempt=2)
    assert job.status["history"][0]["charged"] is False


def test_a_job_that_comes_and_goes_meanwhile_leaves_nothing(lab):
    lab.operator.kill()
    job = lab.job(npus=1)
    job.delete()
    lab.operator.start()
    lab.job("later", npus=1).run()
    assert lab.created("pods") == ["later-1-0"]


def test_a_restart_of_the_api_server_is_outlived(lab, simulated_cluster):
    job = lab.job(**TWO_HOSTS)
    pods = job.wait_bound(4)
    job.allocate_all(pods[:2])
    job.wait("knows of 2 NPUs", has_allocated(2))
    lab.may_be_refused = True  # it serves before it has read its roles
    simulated_cluster.restart("kube-apiserver")
    job.allocate_all(pods)
    status = job.wait_phase("Running")
    assert (status["attempt"], status["restarts"]) == (1, 0)
    assert uids(job.pods()) == uids(pods)
