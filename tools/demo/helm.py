"""Run helm against one cluster, and clear away what a helm that was killed left behind."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

# A helm that is killed leaves these for ever; the next is told that another operation is in
# progress, or that nothing is deployed.
_UNFINISHED = ("pending-install", "pending-upgrade", "pending-rollback", "uninstalling")


class Helm:
    """helm bound to a kubeconfig and a namespace."""

    def __init__(self, binary: Path, kubeconfig: Path, namespace: str) -> None:
        self._argv = [str(binary), "--namespace", namespace]
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run helm; whether it failed is for the caller to see."""
        return subprocess.run(
            [*self._argv, *arguments],
            capture_output=True,
            text=True,
            env=self._environment,
            check=False,
        )

    def remove_unfinished(self, release: str) -> subprocess.CompletedProcess[str] | None:
        """Uninstall a release that was never finished; return what helm said then."""
        status = self("status", release, "-o", "json")
        if status.returncode or json.loads(status.stdout)["info"]["status"] not in _UNFINISHED:
            return None
        return self("uninstall", release, "--wait", "--timeout", "90s")
