"""What an operator is told at its start; the flags of ``efficientnet-operator run``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from efficientnet_operator.logs import LogFormat

UiAccess = Literal["off", "port-forward", "token"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How one operator runs.

    Attributes:
        namespaces: which it looks after; empty is all of them.
        selector: label selector of the jobs that it looks after; "" is all of them.
        lease: namespace and name of the Lease that the one who writes holds; None: no other runs.
        kueue: whether jobs with a queue label wait for Kueue's admission.
        port: where /healthz, /readyz and /metrics are served.
        progress_interval_s: seconds between two looks at a job's progress.
        chip_health: whether the device plugin's reports of unfit chips are followed.
        kubeconfig: file that says how to reach the cluster; None is in-cluster, or the default.
        job_series: how many jobs may have time series of their own.
        ui: who sees the status page: nobody; whoever may forward the pod's port; or whoever gives
            a token of somebody who may read the jobs.
        ui_port: where it is served.
        log_format: ``json``, ``text`` for people, or ``auto``: text on a terminal.
        verbose: whether debug lines are logged.
    """

    namespaces: tuple[str, ...] = ()
    selector: str = ""
    lease: tuple[str, str] | None = None
    kueue: bool = False
    port: int = 8080
    progress_interval_s: float = 5.0
    chip_health: bool = True
    kubeconfig: str | None = None
    job_series: int = 500
    ui: UiAccess = "off"
    ui_port: int = 8081
    log_format: LogFormat = "auto"
    verbose: bool = False
