"""Measure what the operator costs while one job runs: share of a core, memory.

A real process against a real API server, with one Running job of four ranks
whose rank 0 makes a step each second, so that each look at its progress is a
write of its status. Bars: under 1 % of a core, under 150 MB.

    make bench-idle
"""

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path

from localcluster.control_plane import ControlPlane
from operator_lab.api import Api
from operator_lab.identity import install, write_operator_kubeconfig
from operator_lab.job import Job
from operator_lab.process import OperatorProcess
from operator_lab.trainer import serving_progress, take_address
from reporting import Figures, report

SETTLE_S = 5.0
"""Between Running and the first reading: what the start left to do is no idling."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder, ControlPlane(fake_nodes=4) as cluster:
        install(cluster)
        kubeconfig = write_operator_kubeconfig(cluster, Path(folder) / "kubeconfig")
        operator = OperatorProcess(kubeconfig, Path(folder) / "operator.log")
        with Api(cluster.kubeconfig) as api:
            operator.start()
            try:
                figures = measure(operator, api, seconds)
            finally:
                operator.kill()
    return 0 if report("operator-idle", *figures) else 1


def measure(
    operator: OperatorProcess, api: Api, seconds: float
) -> tuple[list[Figures], dict[str, object]]:
    began = time.monotonic()

    def progress() -> dict[str, object]:
        step = int(time.monotonic() - began)
        return {"ranks": [{"rank": 0, "phase": "training", "step": step, "loss": 1 / (1 + step)}]}

    job = Job(api, "default", "idle", {"npus": 4}).create()
    with serving_progress(progress):
        pods = job.wait_bound(4)
        take_address(job, pods[0])
        job.allocate_all(job.pods())
        job.wait_phase("Running")
        job.wait("shows progress", lambda s: "step" in s.get("progress", {}))
        time.sleep(SETTLE_S)
        steps, cpu_s, start = step_of(job), cpu_seconds(operator.pid), time.monotonic()
        time.sleep(seconds)
        took_s = time.monotonic() - start
        used_s = cpu_seconds(operator.pid) - cpu_s
        rows = [
            Figures("CPU, % of a core", [100 * used_s / took_s], bar=1),
            Figures("resident memory, MB", [memory_mb(operator.pid, "VmRSS")], bar=150),
            Figures("largest resident memory, MB", [memory_mb(operator.pid, "VmHWM")]),
        ]
        return rows, {"seconds": round(took_s, 1), "steps seen": step_of(job) - steps}


def step_of(job: Job) -> int:
    return job.status["progress"]["step"]


def cpu_seconds(pid: int) -> float:
    """Return user and system time of a process, in seconds (resolution 10 ms)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int, name: str) -> float:
    """Return one figure of /proc/PID/status in MB of 10^6 bytes."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.M)
    return int(found[1]) * 1024 / 1e6


if __name__ == "__main__":
    sys.exit(main())
