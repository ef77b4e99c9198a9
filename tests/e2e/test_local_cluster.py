"""The cluster that the end-to-end tests stand on: what works in it."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from localcluster.cluster import Cluster
from localcluster.errors import ClusterError
from localcluster.images import POD_TOOL, build_pod_tool
from localcluster.kubectl import Kubectl
from operator_lab.waiting import wait_until

NAMESPACE = "local-cluster"
WAIT = "--timeout=180s"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


def pod(name, node, args, **spec):
    """A pod of the tool on one node, within the restricted profile."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": "tool"}},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": node},
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "tool",
                    "image": POD_TOOL,
                    "imagePullPolicy": "Never",
                    "args": args,
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": True,
                    },
                }
            ],
            **spec,
        },
    }


def fetch(url):
    with urllib.request.urlopen(url, timeout=3) as answer:
        return answer.read().decode().strip()


def wait_for_answer(url):
    """Wait for what a pod serves: it runs a moment before it listens."""

    def answer():
        with contextlib.suppress(urllib.error.URLError, TimeoutError):
            return fetch(url)

    return wait_until(f"{url} answers", answer)


@pytest.fixture(scope="module")
def kubectl(cluster):
    """Kubectl, and a namespace for this file."""
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": RESTRICTED},
    }
    cluster.kubectl.apply(namespace)
    wait = f"serviceaccount/default -n {NAMESPACE} --for=create {WAIT}"
    cluster.kubectl("wait", *wait.split())
    yield cluster.kubectl
    cluster.kubectl("delete", "namespace", NAMESPACE, WAIT)


@pytest.fixture(scope="module")
def addresses(kubectl):
    """The IPs of two serving pods, `here` on node0 and `there` on node1."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "tool", "namespace": NAMESPACE},
        "spec": {"selector": {"app": "tool"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    kubectl.apply(
        service,
        pod("here", "node0", ["serve", ":8080"]),
        pod("there", "node1", ["serve", ":8080"]),
    )
    kubectl("wait", "pod/here", "pod/there", "-n", NAMESPACE, "--for=condition=Ready", WAIT)
    addresses = {
        name: kubectl.get("pod", name, "-n", NAMESPACE)["status"]["podIP"]
        for name in ("here", "there")
    }
    for address in addresses.values():
        wait_for_answer(f"http://{address}:8080")
    return addresses


@pytest.fixture(scope="module")
def from_here(kubectl):
    """Run the tool inside the pod on node0."""
    return lambda *args: kubectl("exec", "-n", NAMESPACE, "here", "--", "/pod-tool", *args)


def test_pods_of_two_nodes_reach_each_other(addresses, from_here):
    assert from_here("fetch", f"http://{addresses['there']}:8080") == "there\n"


@pytest.mark.parametrize("name", ["here", "there"])
def test_the_host_reaches_pods_of_every_node(addresses, name):
    assert fetch(f"http://{addresses[name]}:8080") == name


def test_a_service_leads_to_pods_of_both_nodes(kubectl, addresses, from_here):
    url = "http://" + kubectl.get("service", "tool", "-n", NAMESPACE)["spec"]["clusterIP"]
    found = set()

    def both_answered():
        with contextlib.suppress(ClusterError):  # refused until kube-proxy knows the pods
            found.add(from_here("fetch", url).strip())
        return found == {"here", "there"}

    wait_until("both pods answer", both_answered)
    assert fetch(url) in found, "the host reaches Services too"


def test_a_pod_reaches_the_api_by_its_service_with_its_own_rights(kubectl, addresses, from_here):
    api = "https://" + kubectl.get("service", "kubernetes")["spec"]["clusterIP"]
    assert '"major": "1"' in from_here("fetch", f"{api}/version")
    with pytest.raises(ClusterError, match="403 Forbidden"):
        from_here("fetch", f"{api}/api/v1/namespaces")


def test_logs_are_read(kubectl, addresses):
    assert "serving on :8080" in kubectl("logs", "-n", NAMESPACE, "there")


def test_port_forward_carries_a_request(kubectl, addresses):
    argv = kubectl.argv("port-forward", "-n", NAMESPACE, "pod/there", ":8080")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as forward:
        port = forward.stdout.readline().split(" -> ")[0].rpartition(":")[2]
        assert fetch(f"http://127.0.0.1:{port}") == "there"
        forward.terminate()


def test_a_pod_beyond_the_restricted_profile_is_refused(kubectl):
    with pytest.raises(ClusterError, match="violates PodSecurity"):
        kubectl("run", "loose", "-n", NAMESPACE, f"--image={POD_TOOL}")


def test_a_kubelet_may_only_touch_its_own_node(cluster):
    node0 = cluster.folder / "nodes" / "node0" / "etc" / "kubelet.kubeconfig"
    as_node0 = Kubectl(cluster.kubectl.binary, node0)
    own = as_node0("label", "node", "node0", "mine=yes")
    assert own == "node/node0 labeled\n"
    with pytest.raises(ClusterError, match="cannot read 'node1', only its own Node object"):
        as_node0("label", "node", "node1", "mine=yes")
    restricted = "node-restriction.kubernetes.io/mine=yes"
    with pytest.raises(ClusterError, match="not allowed to modify labels"):
        as_node0("label", "node", "node0", restricted)


def test_a_host_folder_is_shared_by_the_nodes(cluster, kubectl):
    folder = Path(tempfile.mkdtemp(prefix="efficientnet-e2e-", dir="/var/lib"))
    folder.chmod(0o777)
    volume = {"name": "data", "hostPath": {"path": str(folder), "type": "Directory"}}
    try:
        for name, node, args in (
            ("writer", "node0", ["write", "/data/file", "from node0"]),
            ("reader", "node1", ["read", "/data/file"]),
        ):
            body = pod(name, node, args, volumes=[volume])
            body["metadata"]["namespace"] = "default"
            body["spec"]["containers"][0]["volumeMounts"] = [
                {"name": "data", "mountPath": "/data"}
            ]
            kubectl.apply(body)
            kubectl("wait", f"pod/{name}", "--for=jsonpath={.status.phase}=Succeeded", WAIT)
        assert kubectl("logs", "reader") == "from node0"
        assert (folder / "file").read_text() == "from node0"
    finally:
        kubectl("delete", "pod", "writer", "reader", "--ignore-not-found")
        shutil.rmtree(folder)


def test_images_that_are_there_are_not_imported_again(cluster):
    lines = []
    Cluster(cluster.name, report=lines.append).load([build_pod_tool().path])
    assert lines == [f"cluster {cluster.name}: image {POD_TOOL} is on every node"]


def test_pods_keep_running_while_their_node_daemons_restart(cluster, kubectl, addresses):
    before = kubectl.get("pod", "there", "-n", NAMESPACE)["status"]["containerStatuses"]
    for daemon in ("containerd", "kubelet"):
        cluster.restart("node1", daemon)
        assert fetch(f"http://{addresses['there']}:8080") == "there"
    after = kubectl.get("pod", "there", "-n", NAMESPACE)["status"]["containerStatuses"]
    assert after == before


def test_a_disconnected_node_is_out_of_reach_until_reconnected(cluster, addresses):
    cluster.disconnect("node1")
    try:
        with pytest.raises((urllib.error.URLError, TimeoutError)):
            fetch(f"http://{addresses['there']}:8080")
        assert fetch(f"http://{addresses['here']}:8080") == "here"
    finally:
        cluster.reconnect("node1")
    assert wait_for_answer(f"http://{addresses['there']}:8080") == "there"


def test_a_daemon_of_ones_own_sees_the_nodes_files(cluster, tmp_path):
    log = tmp_path / "log"
    script = "ls -d /var/lib/kubelet/device-plugins; echo $ROLE; exec sleep infinity"
    argv = ["sh", "-c", script]
    identity = cluster.run_in_node("node1", argv, name="own", env={"ROLE": "guest"}, log=log)
    told = "/var/lib/kubelet/device-plugins\nguest\n"
    wait_until(
        "the process tells its mounts", lambda: log.read_text() == told, state=log.read_text
    )
    assert cluster.run_in_node("node1", argv, name="own") == identity, "it runs already"
    node = cluster.nodes[1]
    same = [os.stat(f"/proc/{pid}/ns/mnt").st_ino for pid in (identity.pid, node.pid)]
    assert same[0] == same[1]
    cluster.stop_in_node("node1", "own")
    assert cluster.processes.get("node1-own") is None


def test_up_again_starts_nothing(cluster):
    before = {name: cluster.processes.get(name) for name in cluster.processes.names()}
    cluster.up()
    assert {name: cluster.processes.get(name) for name in cluster.processes.names()} == before


def test_fewer_nodes_than_there_are_is_refused(cluster):
    with pytest.raises(ClusterError, match="--nodes is 1, wanted at least 2"):
        cluster.up(nodes=1)
