"""The control plane that the API tests stand on: starts, recovers, leaves nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from localcluster.control_plane import ControlPlane
from localcluster.errors import ClusterError
from localcluster.processes import identify

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "plain", "namespace": "default"},
    "spec": {"containers": [{"name": "c", "image": "none"}]},
}

STARTS_AND_WAITS = """
import sys, time
from localcluster.control_plane import ControlPlane
with ControlPlane() as started:
    pids = [started.processes.get(name).pid for name in ("etcd", "kube-apiserver")]
    print(started.settings.folder, *pids, flush=True)
    time.sleep(600)
"""


def test_pods_can_be_created_without_a_service_account(control_plane):
    control_plane.kubectl.apply(POD)
    assert control_plane.kubectl.get("pod", "plain")["status"]["phase"] == "Pending"


def test_objects_outlive_a_hard_kill_of_the_api_server(control_plane):
    control_plane.kubectl("create", "configmap", "survivor")
    control_plane.kill("kube-apiserver")
    with pytest.raises(ClusterError, match="refused"):
        control_plane.kubectl("get", "configmap", "survivor")
    control_plane.restart("kube-apiserver")
    assert control_plane.kubectl.get("configmap", "survivor")["kind"] == "ConfigMap"


def test_two_control_planes_share_nothing(control_plane):
    with ControlPlane() as other:
        other.kubectl("create", "namespace", "only-here")
        assert "only-here" not in control_plane.kubectl("get", "namespaces")
        folder = other.settings.folder
    assert not folder.exists()


def test_nothing_outlives_a_test_run_that_is_killed_hard():
    run = subprocess.Popen(
        [sys.executable, "-c", STARTS_AND_WAITS],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with run:
        folder, *pids = run.stdout.readline().split()
        run.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while any(identify(int(pid)) for pid in pids):
        assert time.monotonic() < deadline, "etcd or the API server still runs"
        time.sleep(0.05)
    with ControlPlane():
        assert not Path(folder).exists(), "the next start removes what was left"


def test_a_gang_runs_whole_or_not_at_all(simulated_cluster):
    kubectl = simulated_cluster.kubectl
    kubectl("create", "namespace", "gangs")
    kubectl.apply(*gang("too-big", 9))
    unscheduled = "--for=condition=PodScheduled=false"
    kubectl("wait", "pod", "-n", "gangs", "-l", "gang=too-big", unscheduled, "--timeout=30s")
    pods = kubectl.get("pods", "-n", "gangs")["items"]
    assert [pod["spec"].get("nodeName") for pod in pods] == [None] * 9
    kubectl.apply(*gang("fits", 8))
    ready = "--for=condition=Ready"
    kubectl("wait", "pod", "-n", "gangs", "-l", "gang=fits", ready, "--timeout=30s")
    kubectl("delete", "namespace", "gangs", "--wait=false")


def gang(name, pods):
    """One PodGroup and its pods of four NPUs each: eight of them fill the simulated cluster."""
    yield {
        "apiVersion": "scheduling.k8s.io/v1beta1",
        "kind": "PodGroup",
        "metadata": {"name": name, "namespace": "gangs"},
        "spec": {"schedulingPolicy": {"gang": {"minCount": pods}}},
    }
    for number in range(pods):
        yield {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{name}-{number}",
                "namespace": "gangs",
                "labels": {"gang": name},
            },
            "spec": {
                "schedulingGroup": {"podGroupName": name},
                "containers": [
                    {
                        "name": "c",
                        "image": "none",
                        "resources": {"limits": {"huawei.com/Ascend910": "4"}},
                    }
                ],
            },
        }
