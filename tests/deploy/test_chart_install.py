"""Real helm on a real API server: install, upgrade, uninstall, and what the account may do.

No kubelet stands behind it: that the operator then works is tested end to end.
"""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

CHART = Path(__file__).parents[2] / "charts/efficientnet-operator"
CRD = "efficientnetjobs.efficientnet.dev"
PROMETHEUS_CRDS = Path(__file__).parent / "crds/prometheus-operator.yaml"
JOB = {
    "apiVersion": "efficientnet.dev/v1alpha1",
    "kind": "EfficientNetJob",
    "metadata": {"name": "kept", "namespace": "team-a"},
    "spec": {
        "npus": 1,
        "image": "trainer:1",
        "dataset": {"path": "/data"},
        "output": {"path": "/out"},
    },
}


@pytest.fixture(scope="module")
def helm_there(helm, control_plane):
    """Helm at the control plane, which has the namespaces team-a and team-b."""
    for namespace in ("team-a", "team-b"):
        control_plane.kubectl("create", "namespace", namespace)
    return replace(helm, kubeconfig=str(control_plane.kubeconfig))


@pytest.fixture(scope="module")
def old_chart(tmp_path_factory):
    """The chart as an earlier version could have been: the CRD lacks a column and a field."""
    folder = tmp_path_factory.mktemp("old") / CHART.name
    shutil.copytree(CHART, folder)
    file = folder / "files/efficientnetjobs.yaml"
    crd = yaml.safe_load(file.read_text())
    (version,) = crd["spec"]["versions"]
    del version["additionalPrinterColumns"][-1]
    del export_fields(version)["numSteps"]
    file.write_text(yaml.safe_dump(crd, sort_keys=False))
    return folder


@pytest.fixture(scope="module")
def installed(helm_there, old_chart):
    """The release efficientnet-operator, installed from the old chart for team-a."""
    namespace = ("--namespace", "enj-system", "--create-namespace")
    watched = ("--set", "watchNamespaces={team-a}")
    return helm_there("install", "efficientnet-operator", str(old_chart), *namespace, *watched)


def test_the_notes_give_the_next_three_commands(installed):
    commands = [line.strip() for line in installed.splitlines() if line.startswith("   kubectl ")]
    assert commands == [
        "kubectl -n enj-system rollout status deployment/efficientnet-operator",
        "kubectl apply -f job.yaml",
        "kubectl get enj --all-namespaces --watch",
    ]
    assert "runs the EfficientNetJobs of team-a." in installed


MAY = {
    "list jobs where it watches": ("list", "efficientnetjobs.efficientnet.dev", "team-a", "yes"),
    "create pods where it watches": ("create", "pods", "team-a", "yes"),
    "list pods elsewhere": ("list", "pods", "team-b", "no"),
    "create pods at home": ("create", "pods", "enj-system", "no"),
    "read secrets": ("get", "secrets", "team-a", "no"),
    "write the spec of jobs": ("patch", "efficientnetjobs.efficientnet.dev", "team-a", "no"),
    "run commands in pods": ("create", "pods/exec", "team-a", "no"),
    "watch nodes": ("watch", "nodes", "", "yes"),
    "change nodes": ("patch", "nodes", "", "no"),
    "watch chip reports": ("watch", "configmaps", "kube-system", "yes"),
    "change chip reports": ("patch", "configmaps", "kube-system", "no"),
}


@pytest.mark.parametrize("verb, resource, namespace, want", MAY.values(), ids=MAY)
def test_the_account_may(installed, control_plane, verb, resource, namespace, want):
    account = "--as=system:serviceaccount:enj-system:efficientnet-operator"
    resource, _, subresource = resource.partition("/")
    scope = ["-n", namespace] if namespace else []
    question = ["auth", "can-i", verb, resource, f"--subresource={subresource}", account, *scope]
    done = subprocess.run(
        control_plane.kubectl.argv(*question), capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == want, done.stderr


def test_upgrade_brings_the_crd_up_to_date_and_uninstall_keeps_it(
    installed, helm_there, control_plane
):
    before = control_plane.kubectl.get("crd", CRD)["spec"]["versions"][0]
    assert "numSteps" not in export_fields(before)
    control_plane.kubectl.apply(JOB)
    namespace = ("--namespace", "enj-system")

    # Without the option an upgrade that names no value keeps those of the release.
    helm_there("upgrade", "efficientnet-operator", str(CHART), *namespace, "--reset-values")
    after = control_plane.kubectl.get("crd", CRD)["spec"]["versions"][0]
    assert "numSteps" in export_fields(after)
    columns = len(before["additionalPrinterColumns"]) + 1
    assert len(after["additionalPrinterColumns"]) == columns
    # watchNamespaces is back to all: no Role of the old values is left.
    assert control_plane.kubectl.get("role,rolebinding", "-n", "team-a")["items"] == []

    # A rollback takes the CRD back too, and touches no job.
    helm_there("rollback", "efficientnet-operator", "1", *namespace)
    assert control_plane.kubectl.get("crd", CRD)["spec"]["versions"][0] == before
    assert len(control_plane.kubectl.get("role", "-n", "team-a")["items"]) == 1
    assert control_plane.kubectl.get("enj", "-n", "team-a", "kept")["spec"]["npus"] == 1

    helm_there("uninstall", "efficientnet-operator", *namespace)
    left = control_plane.kubectl.get("deployment,service,serviceaccount", *namespace)["items"]
    assert left == []
    assert control_plane.kubectl.get("enj", "-n", "team-a", "kept")["spec"]["npus"] == 1

    # The same release takes the CRD over again; another has to say that it means it.
    helm_there("install", "efficientnet-operator", str(CHART), *namespace)
    helm_there("uninstall", "efficientnet-operator", *namespace)
    refused = helm_there.run("install", "blue", str(CHART), *namespace)
    assert refused.returncode != 0 and "invalid ownership metadata" in refused.stderr
    helm_there("install", "blue", str(CHART), *namespace, "--take-ownership")
    assert control_plane.kubectl.get("enj", "-n", "team-a", "kept")["spec"]["npus"] == 1


def export_fields(version):
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return spec["properties"]["export"]["properties"]


EVERYTHING = """
crd: {enabled: false}
watchNamespaces: [team-a, team-b]
kueue: {enabled: true}
networkPolicy:
  enabled: true
  trainerEgress: [{to: [{ipBlock: {cidr: 10.9.0.0/16}}], ports: [{port: 443}]}]
extraArgs: [--verbose]
extraEnv: [{name: A, value: b}]
extraEnvFrom: [{configMapRef: {name: c, optional: true}}]
extraVolumes: [{name: ca, configMap: {name: ca}}]
extraVolumeMounts: [{name: ca, mountPath: /ca}]
extraContainers: [{name: beside, image: beside}]
commonLabels: {team: vision}
commonAnnotations: {mail: a@b}
"""


def test_all_that_can_be_switched_on_is_taken(helm_there, control_plane, tmp_path):
    """And of `auto` the cluster decides: its API serves the kinds of the Prometheus Operator."""
    control_plane.kubectl.install_crds(PROMETHEUS_CRDS)
    crds = yaml.safe_load(PROMETHEUS_CRDS.read_text())["items"]
    (tmp_path / "values.yaml").write_text(EVERYTHING)
    namespace = ("--namespace", "enj-all", "--create-namespace")
    helm_there("install", "all", str(CHART), *namespace, "-f", str(tmp_path / "values.yaml"))
    kinds = [crd["spec"]["names"]["plural"] for crd in crds]
    found = control_plane.kubectl.get(",".join(kinds), "-n", "enj-all")["items"]
    assert {o["kind"] for o in found} == {crd["spec"]["names"]["kind"] for crd in crds}
    for watched in ("team-a", "team-b"):
        (policy,) = control_plane.kubectl.get("networkpolicy", "-n", watched)["items"]
        assert policy["metadata"]["name"] == "all-efficientnet-operator-trainers"
    helm_there("uninstall", "all", "--namespace", "enj-all")
