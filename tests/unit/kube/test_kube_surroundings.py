"""Which jobs hear of a node, and what they see of it."""

import asyncio

import pytest
from efficientnet_operator.core.pod_view import parse_pod
from efficientnet_operator.kube.cache import ChildCache
from efficientnet_operator.kube.surroundings import COLLECT_S, Surroundings


def pod(job, node):
    labels = {"efficientnet.dev/job-name": job}
    metadata = {"namespace": "default", "name": f"{job}-{node}", "uid": f"{job}-{node}"}
    return {"metadata": {**metadata, "labels": labels}, "spec": {"nodeName": node}}


def node(name, ready="True"):
    annotations = {"baseDeviceInfos": '{"Ascend910-0":{"IP":"192.168.100.1"}}'}
    return {
        "metadata": {"name": name, "labels": {"rack": "r1"}, "annotations": annotations},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def report(name, chips):
    content = f'{{"DeviceInfo":{{"DeviceList":{{"huawei.com/Ascend910-Unhealthy":"{chips}"}}}}}}'
    return {
        "metadata": {"name": f"mindx-dl-deviceinfo-{name}"},
        "data": {"DeviceInfoCfg": content},
    }


class Lab:
    """Three jobs on two nodes, and the keys that were enqueued."""

    def __init__(self):
        self.told = []
        pods = ChildCache("pods", parse_pod, lambda _: None)
        for job, where in (("one", "n1"), ("two", "n2"), ("both", "n1"), ("both", "n2")):
            pods.put(pod(job, where))
        self.surroundings = Surroundings(pods, self.told.append)

    async def jobs_told(self):
        self.told.clear()
        await asyncio.sleep(2 * COLLECT_S)
        return sorted(name for _, name in self.told)


@pytest.fixture
async def lab():
    lab = Lab()
    for name in ("n1", "n2", "n3"):
        lab.surroundings.nodes.put(node(name))
    await lab.jobs_told()
    return lab


async def test_only_jobs_with_pods_on_the_node_hear_of_it(lab):
    lab.surroundings.nodes.put(node("n1", "Unknown"))
    assert await lab.jobs_told() == ["both", "one"]


async def test_a_job_hears_once_of_changes_that_come_together(lab):
    lab.surroundings.nodes.put(node("n1", "Unknown"))
    lab.surroundings.chips.put(report("n2", "Ascend910-1"))
    assert await lab.jobs_told() == ["both", "one", "two"]


async def test_heartbeats_and_strange_nodes_wake_nobody(lab):
    lab.surroundings.nodes.put(node("n1"))
    lab.surroundings.nodes.put(node("n3", "Unknown"))
    lab.surroundings.chips.put(report("n1", ""))
    assert await lab.jobs_told() == []


async def test_a_job_sees_what_is_on_its_own_nodes(lab):
    lab.surroundings.nodes.put(node("n1", "Unknown"))
    lab.surroundings.chips.put(report("n2", "Ascend910-1"))
    facts = lab.surroundings.facts_of(["n1", "n9"])
    assert {n: (f.device_ips, f.labels) for n, f in facts.items()} == {
        "n1": ({0: "192.168.100.1"}, {"rack": "r1"})
    }
    assert list(lab.surroundings.losses_of(["n1", "n2"])) == ["n1"]
    assert list(lab.surroundings.reports_of(["n1", "n2"])) == ["n2"]


async def test_sources_that_are_not_followed_hold_nothing_up(lab):
    assert lab.surroundings.synced
