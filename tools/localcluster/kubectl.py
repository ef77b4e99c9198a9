"""Call kubectl against one cluster."""

import json
import subprocess
from pathlib import Path
from typing import Any

from localcluster.errors import ClusterError


class Kubectl:
    """kubectl bound to a kubeconfig: `kubectl("get", "pods")` returns what it printed."""

    def __init__(self, binary: Path, kubeconfig: Path) -> None:
        self.binary = binary
        self.kubeconfig = kubeconfig

    def argv(self, *arguments: str) -> list[str]:
        """Return the whole command line, for callers that start it themselves."""
        # Addresses are used again by later clusters, which serve other resources.
        cache = self.kubeconfig.parent / "kubectl-cache"
        return [
            str(self.binary),
            f"--kubeconfig={self.kubeconfig}",
            f"--cache-dir={cache}",
            *arguments,
        ]

    def __call__(self, *arguments: str, stdin: str | None = None, timeout_s: float = 120) -> str:
        """Run kubectl and return its standard output.

        Raises:
            ClusterError: it failed; the message holds its standard error.
        """
        done = subprocess.run(
            self.argv(*arguments), input=stdin, capture_output=True, text=True, timeout=timeout_s
        )
        if done.returncode != 0:
            raise ClusterError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, *objects: dict[str, Any]) -> None:
        """Create or update objects, server-side."""
        self("apply", "--server-side", "-f", "-", stdin=_listed(objects))

    def create(self, *objects: dict[str, Any]) -> None:
        """Create objects, their status included where the API takes it (nodes)."""
        self("create", "-f", "-", stdin=_listed(objects))

    def install_crds(self, path: Path) -> None:
        """Apply a file or folder of CRDs and wait until the API server serves them."""
        self("apply", "--server-side", "-f", str(path))
        # Not --for=condition: that fails at once where a new object has no conditions yet.
        served = '--for=jsonpath={.status.conditions[?(@.type=="Established")].status}=True'
        self("wait", served, "-f", str(path), "--timeout=30s")

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return what `kubectl get` finds, as JSON."""
        found: dict[str, Any] = json.loads(self("get", *arguments, "-o", "json"))
        return found


def _listed(objects: tuple[dict[str, Any], ...]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
