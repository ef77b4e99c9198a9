"""A gang that loses a node or a chip is restarted, before its own pods say anything."""

import time
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from ascend_sim.annotations import HEALTH_LABELS, build_health_data
from operator_lab.waiting import wait_until

NUMBERS = count(1)
RESOURCE = "huawei.com/Ascend910"


def ready(status, ago_s=0):
    stamp = (datetime.now(UTC) - timedelta(seconds=ago_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": "Ready",
        "status": status,
        "reason": "KubeletNotReady",
        "message": "pulled out",
        "lastHeartbeatTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lastTransitionTime": stamp,
    }


class Pair:
    """Two nodes of a test's own: one that nobody looks after, and a cordoned one of kwok's.

    On the first nobody confirms what the API server says, as on a machine without power.
    """

    def __init__(self, lab):
        self.lab = lab
        number = next(NUMBERS)
        self.doomed, self.spare = f"doomed{number}", f"spare{number}"
        self.selector = {"tests.efficientnet.dev/pair": str(number)}
        self._create(self.doomed, f"10.9.{number}.1", {}, False)
        self._create(self.spare, f"10.9.{number}.2", {"kwok.x-k8s.io/node": "fake"}, True)
        # Until then its taint keeps all pods away.
        wait_until("the node takes pods", lambda: not self._taints())

    def _create(self, name, address, annotations, unschedulable):
        capacity = {"cpu": "192", "memory": "768Gi", "pods": "250", RESOURCE: "8"}
        labels = {"kubernetes.io/hostname": name, "accelerator": "huawei-Ascend910"}
        body = {
            "metadata": {
                "name": name,
                "labels": labels | self.selector,
                "annotations": annotations,
            },
            "spec": {"unschedulable": unschedulable},
            "status": {
                "capacity": capacity,
                "allocatable": capacity,
                "addresses": [{"type": "InternalIP", "address": address}],
                "conditions": [ready("True")],
            },
        }
        self.lab.api.create("nodes", "", body)

    def _taints(self):
        return self.lab.api.get("nodes", "", self.doomed)["spec"].get("taints")

    def run_pods(self, job):
        """Play the kubelet that the doomed node lacks; return the pods."""

        def bound():
            pods = job.pods(1)
            nodes = [pod["spec"].get("nodeName") for pod in pods]
            return pods if nodes == [self.doomed] * job.replicas else []

        node = self.lab.api.get("nodes", "", self.doomed)
        host = node["status"]["addresses"][0]["address"]
        for index, pod in enumerate(wait_until("the pods have the doomed node", bound)):
            address = f"10.200.0.{index + 1}"
            status = {
                "phase": "Running",
                "podIP": address,
                "podIPs": [{"ip": address}],
                "hostIP": host,
                "hostIPs": [{"ip": host}],
                "conditions": [
                    {"type": "PodScheduled", "status": "True"},
                    {"type": "Ready", "status": "True"},
                ],
            }
            name = pod["metadata"]["name"]
            self.lab.api.patch("pods", self.lab.namespace, name, {"status": status}, "status")

    def pull_out(self, ago_s):
        """Let the doomed node be not Ready since then, and open the spare one."""
        condition = {"status": {"conditions": [ready("False", ago_s)]}}
        self.lab.api.patch("nodes", "", self.doomed, condition, "status")
        self.lab.api.patch("nodes", "", self.spare, {"spec": {"unschedulable": None}})


@pytest.fixture
def pair(lab, simulated_cluster):
    pair = Pair(lab)
    yield pair
    kubectl = simulated_cluster.kubectl
    kubectl("delete", "enj", "--all", "-n", lab.namespace)
    # Nobody else would ever confirm their end.
    kubectl("delete", "pod", "--all", "-n", lab.namespace, "--force", "--grace-period=0")
    kubectl("delete", "node", pair.doomed, pair.spare)


def test_a_node_that_is_not_ready_for_a_minute_is_lost_and_its_pods_hold_nothing_up(lab, pair):
    two = {"npus": 2, "scheduling": {"npusPerHost": 2}, "runPolicy": {"backoffLimit": 0}}
    job = lab.job(**two, podTemplate={"spec": {"nodeSelector": pair.selector}})
    pair.run_pods(job)
    job.run()
    # An operator that starts now has only the node's time stamp to go by.
    lab.operator.kill()
    pair.pull_out(ago_s=55)
    lab.operator.start()
    status = job.wait("begins attempt 2", lambda s: s.get("attempt") == 2)
    failure = status["failure"]
    assert (failure["reason"], failure["node"], failure["rank"]) == ("NodeLost", pair.doomed, 0)
    assert f"node {pair.doomed} is not Ready since " in failure["message"]
    assert "KubeletNotReady: pulled out" in failure["message"]
    job.run(attempt=2)
    status = job.status
    assert (status["restarts"], status["chargedRestarts"]) == (1, 0)
    assert {p["spec"]["nodeName"] for p in job.pods(2)} == {pair.spare}
    left = job.pods(1)
    assert [p["spec"]["nodeName"] for p in left] == [pair.doomed] * 2
    assert all("deletionTimestamp" in p["metadata"] for p in left)
    assert job.condition("Created")["status"] == "True"
    lab.wait_event(job, "NodeLost", "Warning")
    metrics = lab.operator.fetch("/metrics")
    assert 'efficientnet_operator_restarts_total{reason="NodeLost"} ' in metrics
    assert 'efficientnet_operator_restarts_total{reason="NodeLost"} 0.0' not in metrics


class Reports:
    """The device plugin's reports, which are gone after the test."""

    def __init__(self, lab):
        self._lab = lab
        self._written = set()

    def write(self, node, *unhealthy):
        name = f"mindx-dl-deviceinfo-{node}"
        body = {
            "metadata": {"name": name, "labels": HEALTH_LABELS},
            "data": build_health_data(frozenset(unhealthy), int(time.time())),
        }
        if name in self._written:
            self._lab.api.patch("configmaps", "kube-system", name, body)
        else:
            self._lab.api.create("configmaps", "kube-system", body)
        self._written.add(name)

    def clear(self):
        for name in self._written:
            self._lab.api.delete("configmaps", "kube-system", name)


@pytest.fixture
def reports(lab):
    reports = Reports(lab)
    yield reports
    reports.clear()


def on(node):
    return {"podTemplate": {"spec": {"nodeSelector": {"kubernetes.io/hostname": node}}}}


def test_a_dead_chip_restarts_the_gang_that_holds_it_and_no_other(lab, reports):
    job = lab.job(npus=2, runPolicy={"backoffLimit": 0}, **on("fake2"))
    mate = lab.job("mate", npus=1, **on("fake2"))
    pods = job.wait_bound(2)
    job.allocate(pods[0], [4])
    job.allocate(pods[1], [5])
    mate.allocate(mate.wait_bound(1)[0], [6])
    job.wait_phase("Running")
    mate.wait_phase("Running")
    reports.write("fake2")
    reports.write("fake2", 5, 7)
    status = job.wait("begins attempt 2", lambda s: s.get("attempt") == 2)
    failure = status["failure"]
    assert (
        failure.items()
        >= {
            "reason": "ChipUnhealthy",
            "rank": 1,
            "pod": "digits-1-1",
            "node": "fake2",
            "npu": "5",
            "attempt": 1,
        }.items()
    )
    assert "level SeparateNPU, fault code 80E01801" in failure["message"]
    # The chip stays dead; the pods of the next attempt get 0 and 1.
    job.run(attempt=2)
    assert (job.status["restarts"], job.status["chargedRestarts"]) == (1, 0)
    assert (mate.status["attempt"], mate.status["restarts"]) == (1, 0)


def test_a_dead_chip_is_given_back_before_there_is_a_table(lab, reports):
    job = lab.job(npus=2, **on("fake2"))
    reports.write("fake2", 3)
    pods = job.wait_bound(2)
    # Reports have whole seconds; one of before the pods were bound is not believed.
    reports.write("fake2", 3)
    job.allocate(pods[1], [3])
    status = job.wait("begins attempt 2", lambda s: s.get("attempt") == 2)
    assert (status["failure"]["reason"], status["failure"]["npu"]) == ("ChipUnhealthy", "3")
    assert job.table(1) == {"status": "initializing"}
    job.run(attempt=2)
