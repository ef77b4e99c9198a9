"""Measure a gang's times on a local cluster that `make demo` left.

From the last allocation to the table in every container; from a killed rank to
the next attempt's pods and first step; a stop by SIGTERM.

    PYTHONPATH=tools operator/.venv/bin/python tests/bench/gang_times.py --name dev

Writes a table and build/bench/gang_times.json.  The floor of the table's way is
one request to the API server, measured in the same run.
"""

import argparse
import json
import re
import subprocess
import threading
import time
from datetime import datetime
from pathlib import Path

import yaml
from ascend_sim.annotations import CONFIGURATION
from demo.faults import kill_rank, stop_rank
from demo.stage import EXAMPLES, remove_job
from localcluster.cluster import Cluster

OUT = Path("build/bench")
NAME = "bench"


class PodWatch:
    """Every state of the job's pods with the time at which it arrived here."""

    def __init__(self, cluster):
        command = ["get", "pods", "-l", f"efficientnet.dev/job-name={NAME}"]
        command += ["--watch", "-o", "json"]
        self._process = subprocess.Popen(
            cluster.kubectl.argv(*command), stdout=subprocess.PIPE, text=True
        )
        self.seen = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        text = ""
        decoder = json.JSONDecoder()
        for line in self._process.stdout:
            text += line
            if line.rstrip() == "}":
                pod, _ = decoder.raw_decode(text)
                self.seen.append((time.time(), pod))
                text = ""

    def first(self, attempt, holds):
        """Return when each pod of an attempt first met a condition."""
        found = {}
        for at, pod in list(self.seen):
            if pod["metadata"]["labels"]["efficientnet.dev/attempt"] == str(attempt) and holds(
                pod
            ):
                found.setdefault(pod["metadata"]["name"], at)
        return found

    def close(self):
        self._process.terminate()
        self._process.wait()


def is_allocated(pod):
    return CONFIGURATION in pod["metadata"].get("annotations", {})


def poll(look, timeout_s=240):
    deadline = time.monotonic() + timeout_s
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s} s")
        time.sleep(0.1)
    return seen


def status_of(cluster):
    return cluster.kubectl.get("enj", NAME).get("status") or {}


def table_times(cluster, attempt, ranks):
    """Return when each launcher had the complete table, from the log's own times."""
    times = {}
    for index in range(ranks):
        log = cluster.kubectl("logs", f"{NAME}-{attempt}-{index}", "--timestamps")
        line = next((x for x in log.splitlines() if "rank table complete" in x), None)
        if line is None:
            return None
        times[index] = datetime.fromisoformat(re.sub(r"\.(\d{6})\d*", r".\1", line.split()[0]))
    return {index: at.timestamp() for index, at in times.items()}


def first_steps(cluster, attempt):
    """Return the steps logged so far by the pod that holds rank 0."""
    table = cluster.kubectl.get("configmap", f"{NAME}-{attempt}-rank-table")["data"]
    peers = json.loads(table["peers.json"])
    if not peers:
        return []
    log = cluster.kubectl("logs", peers[0]["pod"])
    return re.findall(r"^step:(\d+) ", log, re.MULTILINE)


def measure(cluster):
    job = yaml.safe_load((EXAMPLES / "digits-b0.yaml").read_text())
    job["metadata"]["name"] = NAME
    job["spec"]["training"] |= {
        "mode": "Train",
        "batchSizePerNpu": 4,
        "saveCheckpointsSteps": 5,
        "extraArgs": ["--log_steps=1"],
    }
    remove_job(cluster, NAME)
    started = time.monotonic()
    for _ in range(10):
        cluster.kubectl("get", "--raw", "/readyz")
    floor_s = (time.monotonic() - started) / 10
    watch = PodWatch(cluster)
    try:
        cluster.kubectl.apply(job)
        tables = poll(
            lambda: status_of(cluster).get("phase") == "Running" and table_times(cluster, 1, 4)
        )
        allocated = max(watch.first(1, is_allocated).values())
        result = {
            "kubectl_request_s": floor_s,
            "allocation_to_table_s": {i: at - allocated for i, at in sorted(tables.items())},
        }
        poll(lambda: (status_of(cluster).get("progress") or {}).get("step", 0) >= 7)
        killed = time.time()
        kill_rank(cluster.kubectl, f"{NAME}-1-3")
        poll(lambda: len(watch.first(2, bool)) == 4, 60)
        result["kill_to_pods_s"] = max(watch.first(2, bool).values()) - killed
        poll(lambda: first_steps(cluster, 2))
        result["kill_to_step_s"] = time.time() - killed
        steps = first_steps(cluster, 2)
        result["first_step_of_attempt_2"] = int(steps[0])
        poll(
            lambda: (status_of(cluster).get("progress") or {}).get("step", 0) >= int(steps[0]) + 3
        )
        stopped = time.time()
        stop_rank(cluster.kubectl, f"{NAME}-2-2")
        poll(lambda: len(watch.first(2, lambda p: p["status"]["phase"] == "Failed")) == 4, 60)
        ends = [
            c["state"]["terminated"]
            for _, pod in watch.seen
            for c in pod["status"].get("containerStatuses") or []
            if pod["metadata"]["name"].startswith(f"{NAME}-2-") and "terminated" in c["state"]
        ]
        result["stop_codes"] = sorted({e["exitCode"] for e in ends})
        result["stop_steps"] = sorted({json.loads(e["message"])["step"] for e in ends})
        result["stop_to_exit_s"] = time.time() - stopped
        return result
    finally:
        watch.close()
        remove_job(cluster, NAME)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="dev")
    result = measure(Cluster(parser.parse_args().name))
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "gang_times.json").write_text(json.dumps(result, indent=2) + "\n")
    for key, value in result.items():
        print(f"{key:28} {value}")


if __name__ == "__main__":
    main()
