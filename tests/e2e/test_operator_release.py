"""The operator's release on real kubelets, as helm and Kubernetes see it."""

from demo.helm import Helm
from demo.stage import NAMESPACE, RELEASE
from localcluster.binaries import find_binaries


def test_helm_finds_the_operator_ready(equipped):
    helm = Helm(find_binaries("helm")["helm"], equipped.kubeconfig, NAMESPACE)
    done = helm("test", RELEASE, "--logs", "--timeout", "60s")
    assert done.returncode == 0, done.stdout + done.stderr
    pod = equipped.kubectl.get("pod", f"{RELEASE}-test", "-n", NAMESPACE)
    assert pod["status"]["phase"] == "Succeeded"
    assert equipped.kubectl("logs", f"{RELEASE}-test", "-n", NAMESPACE).strip() == "ok"
