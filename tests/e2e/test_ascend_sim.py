"""The simulated device plugin against real kubelets: the ground of every NPU test."""

import json
import time

import pytest
from ascend_sim.annotations import CONFIGURATION
from ascend_sim.chips import RESOURCE
from ascend_sim.fleet import ACCOUNT, Fleet
from localcluster.images import POD_TOOL
from operator_lab.waiting import wait_until

NAMESPACE = "ascend-sim"
PERIOD_S = 0.5


def pod(name, npus, node="node0"):
    """A pod that holds its chips until it is deleted."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": node},
            "terminationGracePeriodSeconds": 1,
            "containers": [
                {
                    "name": "tool",
                    "image": POD_TOOL,
                    "imagePullPolicy": "Never",
                    "resources": {"limits": {RESOURCE: str(npus)}},
                }
            ],
        },
    }


@pytest.fixture(scope="module")
def kubectl(cluster):
    cluster.kubectl.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    )
    wait = f"serviceaccount/default -n {NAMESPACE} --for=create --timeout=180s"
    cluster.kubectl("wait", *wait.split())
    yield cluster.kubectl
    cluster.kubectl("delete", "namespace", NAMESPACE, "--timeout=180s")


@pytest.fixture
def fleet(cluster, kubectl):
    """A plugin on each node without a fault, and no pod that holds a chip of this file."""
    fleet = Fleet(cluster)
    fleet.start(period_s=PERIOD_S)
    yield fleet
    kubectl("delete", "pods", "--all", f"--namespace={NAMESPACE}", "--timeout=180s")
    fleet.reset()
    fleet.wait()


@pytest.fixture
def start(kubectl):
    """Start pods, each once the one before it runs, so that the order of chips is known."""

    def start_pods(*pods):
        for each in pods:
            name = each["metadata"]["name"]
            kubectl.apply(each)
            ready = f"pod/{name} -n {NAMESPACE} --for=condition=Ready --timeout=180s"
            kubectl("wait", *ready.split())

    return start_pods


@pytest.fixture
def annotation(kubectl):
    """Read a pod's annotation; None as long as there is none."""

    def look(name):
        meta = kubectl.get("pod", name, f"--namespace={NAMESPACE}")["metadata"]
        text = meta.get("annotations", {}).get(CONFIGURATION)
        return json.loads(text) | {"uid": meta["uid"]} if text else None

    return look


@pytest.fixture
def annotated(annotation):
    """Wait for a pod's annotation."""
    return lambda name: wait_until(f"{name} is annotated", lambda: annotation(name))


def ids(annotation):
    return [int(device["device_id"]) for device in annotation["devices"]]


def test_each_node_offers_eight_chips_of_its_own(fleet, kubectl, cluster):
    def annotated():
        # The plugin reports apart from what it offers to the kubelet.
        found = kubectl.get("nodes")["items"]
        return [n for n in found if "baseDeviceInfos" in n["metadata"].get("annotations", {})]

    nodes = wait_until("both nodes are annotated", lambda: len(n := annotated()) == 2 and n)
    assert [node["status"]["allocatable"][RESOURCE] for node in nodes] == ["8", "8"]
    assert {node["metadata"]["labels"]["accelerator"] for node in nodes} == {"huawei-Ascend910"}
    listed = [json.loads(n["metadata"]["annotations"]["baseDeviceInfos"]) for n in nodes]
    assert len({chip["IP"] for node in listed for chip in node.values()}) == 16


def test_a_pod_is_annotated_with_the_chips_that_its_container_sees(
    fleet, kubectl, start, annotated, cluster
):
    start(pod("one", 1), pod("two", 2))
    one, two = (annotated(name) for name in ("one", "two"))
    assert (ids(one), ids(two)) == ([0], [1, 2])
    assert two["host_ip"] == str(cluster.nodes[0].ip)
    assert two["server_id"] == two["uid"]
    assert [d["device_ip"] for d in two["devices"]] == ["192.168.101.10", "192.168.102.10"]
    read = "exec two --namespace=ascend-sim -- /pod-tool read /proc/1/environ"
    environment = kubectl(*read.split()).split("\0")
    assert "ASCEND_VISIBLE_DEVICES=1,2" in environment


def test_two_chips_share_a_ring_unless_they_are_scattered(fleet, start, annotated):
    start(pod("three", 3), pod("pair", 2))
    assert ids(annotated("pair")) == [4, 5]
    fleet.set("node1", scattered=True)
    start(pod("torn", 2, node="node1"))
    assert ids(annotated("torn")) == [0, 4]


def test_the_older_form_names_the_host_as_server(fleet, start, annotated, cluster):
    fleet.set("node1", server_id="node-ip")
    start(pod("old", 1, node="node1"))
    old = annotated("old")
    assert old["server_id"] == str(cluster.nodes[1].ip)
    assert "host_ip" not in old


def test_an_address_that_can_not_be_read_is_minus_one(fleet, kubectl, start, annotated):
    fleet.set("node0", device_ips={0: "-1"}, node_device_ips={0: "-1"})
    start(pod("blind", 1))
    assert annotated("blind")["devices"][0]["device_ip"] == "-1"
    node = kubectl.get("node", "node0")["metadata"]["annotations"]
    assert json.loads(node["baseDeviceInfos"])["Ascend910-0"]["IP"] == "-1"


def test_the_annotation_comes_after_the_container_started(fleet, start, annotation, annotated):
    fleet.set("node0", paused=True)
    time.sleep(PERIOD_S)  # a look that had begun may still end
    start(pod("late", 1))
    time.sleep(3 * PERIOD_S)
    assert annotation("late") is None
    fleet.set("node0", paused=False)
    annotated("late")


def test_a_dead_chip_is_withdrawn_and_reported(fleet, kubectl, start, annotated):
    fleet.set("node0", unhealthy=[0, 1])
    fleet.wait()
    assert kubectl.get("node", "node0")["status"]["allocatable"][RESOURCE] == "6"

    def reported():
        health = kubectl.get("configmap", "mindx-dl-deviceinfo-node0", "--namespace=kube-system")
        devices = json.loads(health["data"]["DeviceInfoCfg"])["DeviceInfo"]["DeviceList"]
        return devices[f"{RESOURCE}-Unhealthy"]

    # The kubelet hears of it at once, the report is written at the plugin's next look.
    wait_until("the report names them", lambda: reported() == "Ascend910-0,Ascend910-1")
    start(pod("survivor", 1))
    assert ids(annotated("survivor")) == [2]


def test_a_restarted_kubelet_gets_its_plugin_back(fleet, cluster, start, annotated):
    log = cluster.processes.log(f"node0-{ACCOUNT}")
    start(pod("before", 1))
    told = log.read_text().count("telling the kubelet")
    cluster.restart("node0", "kubelet")
    # The node's status still shows the chips that the kubelet has forgotten.
    wait_until(
        "the plugin registers again",
        lambda: log.read_text().count("telling the kubelet") > told,
    )
    start(pod("after", 1))
    assert ids(annotated("after")) == [1]


def test_a_restarted_api_server_is_found_again(fleet, cluster, start, annotated):
    log = cluster.processes.log(f"node0-{ACCOUNT}")
    failed = log.read_text().count("will try again")
    cluster.processes.stop("kube-apiserver")
    wait_until(
        "the plugin misses the API server",
        lambda: log.read_text().count("will try again") > failed,
    )
    cluster.up()
    start(pod("later", 1))
    assert ids(annotated("later")) == [0]
