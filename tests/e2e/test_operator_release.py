"""The operator's release on real kubelets, as helm and Kubernetes see it."""

import subprocess
from pathlib import Path

from demo.helm import Helm
from demo.stage import NAMESPACE, RELEASE

BINARIES = Path(__file__).parents[2] / "tools/binaries.sh"


def test_helm_finds_the_operator_ready(equipped):
    found = subprocess.run([BINARIES, "path", "helm"], check=True, capture_output=True, text=True)
    helm = Helm(Path(found.stdout.strip()), equipped.kubeconfig, NAMESPACE)
    done = helm("test", RELEASE, "--logs", "--timeout", "60s")
    assert done.returncode == 0, done.stdout + done.stderr
    pod = equipped.kubectl.get("pod", f"{RELEASE}-test", "-n", NAMESPACE)
    assert pod["status"]["phase"] == "Succeeded"
    assert equipped.kubectl("logs", f"{RELEASE}-test", "-n", NAMESPACE).strip() == "ok"
