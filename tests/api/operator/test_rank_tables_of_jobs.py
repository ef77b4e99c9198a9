"""From a created job to a published rank table that all its pods know of."""

import hashlib

import pytest
from ascend_sim.annotations import build_node_annotations
from operator_lab.job import HASH, JOBS

TWO_HOSTS = {"npus": 4, "scheduling": {"npusPerHost": 2}}
RESTRICTED = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}


def hosts_of(pods):
    return sorted({pod["status"]["hostIP"] for pod in pods})


def ranks_of(peers):
    """Return (rank, pod, address) of each peer."""
    return [(peer["rank"], peer["pod"], peer["podIP"]) for peer in peers]


@pytest.mark.parametrize("form", ["pod-uid", "node-ip"])
def test_a_job_gets_its_table_whichever_form_the_plugin_writes(lab, form):
    job = lab.job(**TWO_HOSTS)
    pods = job.run(form=form)
    table = job.table()
    assert (table["status"], table["version"], table["server_count"]) == ("completed", "1.0", "2")
    hosts = hosts_of(pods)
    assert [s["server_id"] for s in table["server_list"]] == hosts
    for number, (server, host) in enumerate(zip(table["server_list"], hosts, strict=True)):
        last = host.rpartition(".")[2]
        assert server["device"] == [
            {
                "device_id": str(chip),
                "device_ip": f"192.168.{100 + chip}.{last}",
                "rank_id": str(2 * number + chip),
            }
            for chip in (0, 1)
        ]
    by_rank = sorted(pods, key=lambda p: (p["status"]["hostIP"], p["metadata"]["name"]))
    assert ranks_of(job.peers()) == [
        (rank, pod["metadata"]["name"], pod["status"]["podIP"]) for rank, pod in enumerate(by_rank)
    ]


def test_a_table_is_written_once_and_every_pod_carries_its_hash(lab):
    job = lab.job(**TWO_HOSTS)
    pods = job.run()
    status = job.status
    data = job.config_map()["data"]
    sha256 = hashlib.sha256(data["hccl.json"].encode()).hexdigest()
    assert status["rankTable"]["sha256"] == sha256
    assert status["rankTable"]["configMap"] == "digits-1-rank-table"
    assert [p["metadata"]["annotations"][HASH] for p in pods] == [sha256] * 4
    assert status["npus"] == {"total": 4, "allocated": 4}
    assert (status["attempt"], status["restarts"]) == (1, 0)
    writes = [
        (event, found["data"]["hccl.json"] == data["hccl.json"])
        for event, found in lab.history("configmaps")
        if found["metadata"]["name"] == "digits-1-rank-table"
    ]
    assert writes == [("ADDED", False), ("MODIFIED", True)]
    told = [found.get("status") or {} for _, found in lab.history(JOBS)]
    assert all(s.get("rankTable") for s in told if s.get("phase") == "Running")


def test_the_condition_counts_and_names_who_is_waited_for(lab):
    job = lab.job(**TWO_HOSTS)
    pods = job.wait_bound(4)
    job.allocate_all(pods[:3])
    job.wait("has three of four NPUs", lambda s: s.get("npus", {}).get("allocated") == 3)
    message = job.wait_condition("Allocated", "False", "WaitingForAllocation")
    assert message == "3/4 NPUs allocated; waiting for pod digits-1-3"
    assert job.table() == {"status": "initializing"}


def test_a_legacy_table_lists_each_pod_under_its_host(lab):
    job = lab.job(**TWO_HOSTS, rankTable={"version": "Legacy"})
    pods = job.run()
    table = job.table()
    assert "version" not in table
    (group,) = table["group_list"]
    assert (group["device_count"], group["instance_count"]) == ("4", "4")
    placed = {p["metadata"]["name"]: p["status"]["hostIP"] for p in pods}
    instances = group["instance_list"]
    assert {i["pod_name"]: i["server_id"] for i in instances} == placed
    in_order = [(i["server_id"], int(i["devices"][0]["device_id"])) for i in instances]
    assert in_order == sorted(in_order), "as HCCL derives the ranks from it"
    assert [i["pod_name"] for i in instances] == [peer["pod"] for peer in job.peers()]


def test_by_pod_each_pod_is_a_server_of_its_own(lab):
    job = lab.job(npus=4, npusPerPod=2, rankTable={"grouping": "Pod"})
    pods = job.run()
    servers = job.table()["server_list"]
    assert {s["server_id"] for s in servers} == {p["metadata"]["uid"] for p in pods}
    ranks = [[d["rank_id"] for d in s["device"]] for s in servers]
    assert ranks == [["0", "1"], ["2", "3"]]
    assert [peer["port"] for peer in job.peers()] == [2222, 2223, 2222, 2223]


def test_a_native_gang_is_scheduled_by_its_pod_group(lab):
    job = lab.job(npus=4, scheduling={"npusPerHost": 2, "gang": "Native"})
    pods = job.run()
    group = lab.api.get("podgroups", lab.namespace, "digits-1")
    assert group["spec"]["schedulingPolicy"]["gang"]["minCount"] == 4
    (owner,) = group["metadata"]["ownerReferences"]
    assert owner["uid"] == job.document["metadata"]["uid"]
    member = {"podGroupName": "digits-1"}
    assert [p["spec"]["schedulingGroup"] for p in pods] == [member] * 4


def test_a_cpu_job_needs_no_plugin_and_meets_the_restricted_profile(lab):
    lab.api.patch("namespaces", "", lab.namespace, RESTRICTED)
    job = lab.job(npus=3, accelerator="CPU")
    job.wait_phase("Running")
    pods = job.pods(1)
    devices = [d["device_ip"] for s in job.table()["server_list"] for d in s["device"]]
    assert sorted(devices) == sorted(p["status"]["podIP"] for p in pods)
    assert [s["server_id"] for s in job.table()["server_list"]] == hosts_of(pods)
    assert [rank for rank, _, _ in ranks_of(job.peers())] == [0, 1, 2]


def test_addresses_that_the_plugin_could_not_read_come_from_the_node(lab):
    addresses = {chip: f"192.168.77.{chip + 1}" for chip in range(8)}
    annotations = build_node_annotations(addresses)
    lab.api.patch("nodes", "", "fake2", {"metadata": {"annotations": annotations}})
    try:
        job = lab.job(npus=2, podTemplate=pinned_to("fake2"))
        for chip, pod in enumerate(job.wait_bound(2)):
            job.allocate(pod, {chip: "-1"})
        job.wait_phase("Running")
    finally:
        gone = dict.fromkeys(annotations)
        lab.api.patch("nodes", "", "fake2", {"metadata": {"annotations": gone}})
    (server,) = job.table()["server_list"]
    assert [d["device_ip"] for d in server["device"]] == ["192.168.77.1", "192.168.77.2"]


def pinned_to(node):
    return {"spec": {"nodeSelector": {"kubernetes.io/hostname": node}}}


def test_a_rank_without_the_table_is_named_and_nudged_twice_more(lab):
    job = lab.job(npus=2)
    pods = job.wait_bound(2)
    job.set_ready(pods[1], "False")
    job.allocate_all(pods)
    message = job.wait_condition("Running", "False", "WaitingForRanks")
    assert message == "1/2 pods ready; waiting for digits-1-1"

    def nudges(status):
        return job.pods(1)[1]["metadata"]["annotations"].get("efficientnet.dev/nudge") == "2"

    job.wait("nudged the late pod twice", nudges)
    assert "efficientnet.dev/nudge" not in job.pods(1)[0]["metadata"]["annotations"]
    job.set_ready(pods[1], "True")
    job.wait_phase("Running")
