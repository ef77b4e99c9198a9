"""Install what the operator is shipped with, and log in as its ServiceAccount.

Under the administrator's identity a right that the shipped role lacks would
never be missed.
"""

from pathlib import Path

import yaml
from localcluster.control_plane import ControlPlane

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
NAME, NAMESPACE = "efficientnet-operator", "efficientnet-system"
TOKEN_LIFE = "6h"  # noqa: S105 (no secret: longer than any test run)


def install(cluster: ControlPlane) -> None:
    """Apply the CRD, namespace, ServiceAccount and roles of ``deploy/``, but no Deployment."""
    parts = ("crd", "operator/namespace.yaml", "rbac")
    files = [argument for part in parts for argument in ("-f", str(DEPLOY / part))]
    cluster.kubectl("apply", "--server-side", *files)
    crd = "crd/efficientnetjobs.efficientnet.dev"
    cluster.kubectl("wait", "--for=condition=Established", crd, "--timeout=30s")


def write_operator_kubeconfig(cluster: ControlPlane, path: Path) -> Path:
    """Write a kubeconfig with a token of the operator's ServiceAccount; return its path."""
    life = f"--duration={TOKEN_LIFE}"
    token = cluster.kubectl("create", "token", NAME, "-n", NAMESPACE, life).strip()
    content = yaml.safe_load(cluster.kubeconfig.read_text())
    for user in content["users"]:
        user["user"] = {"token": token}
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content))
    return path
