"""A table that is published before all pods have addresses, and the addresses that follow."""

import hashlib

import pytest

TABLE = "efficientnet.dev/rank-table"
PEERS = "efficientnet.dev/peers"


@pytest.fixture
def job(lab):
    """A job whose last pod has no address yet, and whose ranks wait for it."""
    job = lab.job(npus=4, scheduling={"npusPerHost": 2})
    pods = job.wait_bound(4)
    for pod in pods:
        job.set_ready(pod, "False")
    job.set_address(pods[-1], None)
    job.allocate_all(pods)
    job.wait_condition("Running", "False", "WaitingForRanks")
    return job


def annotations(job, key):
    return [pod["metadata"]["annotations"].get(key) for pod in job.pods()]


def hash_of(job, name):
    return hashlib.sha256(job.config_map()["data"][name].encode()).hexdigest()


def is_addressed(job):
    return all(peer["podIP"] for peer in job.peers())


def test_the_table_comes_at_once_and_the_addresses_once_all_are_known(lab, job):
    table = job.table()
    assert table["status"] == "completed"
    (late,) = (peer["pod"] for peer in job.peers() if not peer["podIP"])
    assert late == "digits-1-3"
    assert annotations(job, TABLE) == [hash_of(job, "hccl.json")] * 4
    job.set_ready(job.pods()[0], "True")
    told = annotations(job, PEERS)

    job.set_address(job.pods()[3], "10.9.9.9")
    job.wait("adds the addresses", lambda _: is_addressed(job))
    job.wait("tells the ranks", lambda _: annotations(job, PEERS)[1:] != told[1:])
    assert job.table() == table
    assert {p["pod"]: p["podIP"] for p in job.peers()} == {
        pod["metadata"]["name"]: pod["status"]["podIP"] for pod in job.pods()
    }
    wanted = hash_of(job, "peers.json")
    job.wait("has told all", lambda _: annotations(job, PEERS)[1:] == [wanted] * 3)
    assert annotations(job, PEERS)[0] == told[0]
    states = [
        '"podIP":""' in found["data"]["peers.json"]
        for _, found in lab.history("configmaps")
        if '"completed"' in found["data"]["hccl.json"]
    ]
    assert states == [True, False]


@pytest.mark.parametrize("told", [0, 2])
def test_killed_between_the_addresses_and_the_nudges_it_nudges_the_rest(lab, job, told):
    lab.operator.kill()
    pods = job.pods()
    job.set_address(pods[3], "10.9.9.9")
    data = job.config_map()["data"]
    peers = data["peers.json"].replace('"podIP":""', '"podIP":"10.9.9.9"')
    body = {"data": {"peers.json": peers}}
    lab.api.patch("configmaps", lab.namespace, "digits-1-rank-table", body)
    wanted = hashlib.sha256(peers.encode()).hexdigest()
    for pod in pods[:told]:
        body = {"metadata": {"annotations": {PEERS: wanted}}}
        lab.api.patch("pods", lab.namespace, pod["metadata"]["name"], body)
    lab.operator.start()
    job.wait("has told all", lambda _: annotations(job, PEERS) == [wanted] * 4)
    assert hash_of(job, "peers.json") == wanted
