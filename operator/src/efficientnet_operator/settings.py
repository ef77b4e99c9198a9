"""What an operator is told at its start; the flags of ``efficientnet-operator run``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """How one operator runs.

    Attributes:
        namespaces: which it looks after; empty is all of them.
        lease: namespace and name of the Lease that the one who writes holds; None: no other runs.
        port: where /healthz, /readyz and /metrics are served.
        progress_interval_s: seconds between two looks at a job's progress.
        chip_health: whether the device plugin's reports of unfit chips are followed.
        kubeconfig: file that says how to reach the cluster; None is in-cluster, or the default.
        log_format: ``json``, or ``text`` for people.
        verbose: whether debug lines are logged.
    """

    namespaces: tuple[str, ...] = ()
    lease: tuple[str, str] | None = None
    port: int = 8080
    progress_interval_s: float = 5.0
    chip_health: bool = True
    kubeconfig: str | None = None
    log_format: str = "text"
    verbose: bool = False
