"""Install what the operator is shipped with, and log in as its ServiceAccount.

Under the administrator's identity a right that the shipped role lacks would
never be missed.
"""

import subprocess
from pathlib import Path

import yaml
from localcluster.binaries import find_binaries
from localcluster.control_plane import ControlPlane

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
NAME, NAMESPACE = "efficientnet-operator", "efficientnet-system"
TOKEN_LIFE = "6h"  # noqa: S105 (no secret: longer than any test run)


def install(cluster: ControlPlane) -> None:
    """Apply the CRD, namespace, ServiceAccount and roles of ``deploy/``, but no Deployment."""
    cluster.kubectl.install_crds(DEPLOY / "crd")
    parts = ("operator/namespace.yaml", "rbac")
    files = [argument for part in parts for argument in ("-f", str(DEPLOY / part))]
    cluster.kubectl("apply", "--server-side", *files)


def grant(cluster: ControlPlane, value: str, *templates: str) -> None:
    """Grant the rights that the chart adds with a value, such as ``kueue.enabled=true``.

    Args:
        cluster: where.
        value: as helm's ``--set`` takes it.
        templates: names of those that differ by it, without ``.yaml``.
    """
    command = [
        find_binaries("helm")["helm"],
        "template",
        NAME,
        ROOT / "charts/efficientnet-operator",
    ]
    command += ["--namespace", NAMESPACE, "--set", value]
    for template in templates:
        command += ["--show-only", f"templates/{template}.yaml"]
    rendered = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    cluster.kubectl.apply(*(d for d in yaml.safe_load_all(rendered) if d))


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
