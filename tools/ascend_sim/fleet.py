"""Run the simulated plugin on every node of a local cluster, and steer each of them.

    PYTHONPATH=tools python -m ascend_sim.fleet --name dev

starts one wherever none runs, with its ServiceAccount, and returns when each
node offers its chips.  It ends with the cluster.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from localcluster.cluster import Cluster
from localcluster.errors import ClusterError

from ascend_sim.chips import CHIPS, RESOURCE
from ascend_sim.controls import ControlFile, Controls, write_controls

ACCOUNT = "ascend-device-plugin"
NAMESPACE = "kube-system"
TOKEN_LIFE = "24h"  # noqa: S105
READY_TIMEOUT_S = 60.0

_TOOLS = Path(__file__).resolve().parent.parent
_RULES = [
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "patch"]},
    {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "patch"]},
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "patch"]},
]


class Fleet:
    """The plugins of one cluster, one for each node."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._folder = cluster.folder / "ascend"

    def start(self, **controls: Any) -> None:
        """Start what does not run and return when every node offers its healthy chips.

        Args:
            controls: settings of every node, see ``Controls``; those of a
                plugin that runs already change to these.

        Raises:
            ClusterError: a node does not offer them within a minute.
        """
        self.reset(**controls)
        kubeconfig = self._write_kubeconfig()
        for node in self._cluster.nodes:
            options = {
                "--node": node.name,
                "--kubeconfig": kubeconfig,
                "--control": self._control(node.name),
            }
            argv = [sys.executable, "-m", "ascend_sim", *(f"{k}={v}" for k, v in options.items())]
            self._cluster.run_in_node(
                node.name, argv, name=ACCOUNT, env={"PYTHONPATH": str(_TOOLS)}
            )
        self.wait()

    def set(self, node: str, **changes: Any) -> None:
        """Change settings of one node, see ``Controls``; the others of that node stay."""
        path = self._control(node)
        now = ControlFile(path).current()
        write_controls(path, Controls.model_validate(dict(now) | changes))

    def reset(self, **controls: Any) -> None:
        """Give every node these settings and otherwise the defaults."""
        wanted = Controls.model_validate(controls)
        for node in self._cluster.nodes:
            write_controls(self._control(node.name), wanted)

    def wait(self) -> None:
        """Return when every node's allocatable chips are its healthy ones.

        Raises:
            ClusterError: that is not so within a minute.
        """
        deadline = time.monotonic() + READY_TIMEOUT_S
        while (found := self._allocatable()) != (wanted := self._healthy()):
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"cluster {self._cluster.name}: {RESOURCE} by node: wanted {wanted}, found "
                    f"{found}; the plugins' logs are {self._cluster.folder}/logs/*-{ACCOUNT}.log"
                )
            time.sleep(0.2)

    def _allocatable(self) -> dict[str, int]:
        nodes = self._cluster.kubectl.get("nodes")["items"]
        return {
            node["metadata"]["name"]: int(node["status"]["allocatable"].get(RESOURCE, 0))
            for node in nodes
        }

    def _healthy(self) -> dict[str, int]:
        return {
            node.name: len(CHIPS) - len(ControlFile(self._control(node.name)).current().unhealthy)
            for node in self._cluster.nodes
        }

    def _control(self, node: str) -> Path:
        return self._folder / f"{node}.json"

    def _write_kubeconfig(self) -> Path:
        # A kubelet's own identity may not annotate pods.
        kubectl = self._cluster.kubectl
        kubectl.apply(*_access())
        token = kubectl(
            "create", "token", ACCOUNT, f"--namespace={NAMESPACE}", f"--duration={TOKEN_LIFE}"
        )
        # A plugin that runs already reads its token again with each request.
        token_file = _write_secret(self._folder / "token", token.strip())
        content = yaml.safe_load(self._cluster.kubeconfig.read_text())
        content["users"][0]["user"] = {"tokenFile": str(token_file)}
        return _write_secret(self._folder / "kubeconfig", yaml.safe_dump(content))


def _write_secret(path: Path, content: str) -> Path:
    """Replace a file at one stroke by one that only its owner reads."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.touch(mode=0o600)
    partial.write_text(content)
    return partial.rename(path)


def _access() -> list[dict[str, Any]]:
    rbac = "rbac.authorization.k8s.io"
    account = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}
    role = {"apiGroup": rbac, "kind": "ClusterRole", "name": ACCOUNT}
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": ACCOUNT, "namespace": NAMESPACE},
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": ACCOUNT},
            "rules": _RULES,
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": ACCOUNT},
            "subjects": [account],
            "roleRef": role,
        },
    ]


def main() -> None:
    """Start the fleet of a cluster that is up."""
    parser = argparse.ArgumentParser(prog="ascend_sim.fleet", description=__doc__.split("\n")[0])
    parser.add_argument("--name", default="dev", help="the cluster's name")
    args = parser.parse_args()
    cluster = Cluster(args.name)
    Fleet(cluster).start()
    print(f"cluster {args.name}: {len(CHIPS)} {RESOURCE} on each of {len(cluster.nodes)} nodes")


if __name__ == "__main__":
    main()
