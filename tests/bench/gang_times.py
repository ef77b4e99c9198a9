"""Measure a gang's times on a local cluster that `make demo` left.

From the last allocation to the table in every container, and to the addresses
that TensorFlow's own cluster waits for besides; from a killed rank to
the next attempt's pods and first step; from SIGTERM to one rank to the end of
all.  The floor of the table's way is the kubelet's: a ConfigMap is changed, its
pod is nudged, and the pod itself looks for the change; no operator, one pod.

    make bench-gang
"""

import argparse
import json
import re
import sys
import time
from datetime import datetime

import yaml
from ascend_sim.annotations import CONFIGURATION
from demo import stage
from demo.faults import kill_rank, stop_rank
from demo.stage import EXAMPLES, remove_job
from localcluster.pod_watch import PodWatch
from operator_lab.waiting import wait_until
from reporting import Figures, report

NAME = "bench"
RANKS = 4
DEADLINE_S = 240
DIGITS = yaml.safe_load((EXAMPLES / "digits-b0.yaml").read_text())
BARS_S = {"table": 2.0, "pods": 15.0}


def a_job():
    job = json.loads(json.dumps(DIGITS))
    job["metadata"]["name"] = NAME
    job["spec"]["training"] |= {
        "mode": "Train",
        "batchSizePerNpu": 4,
        "saveCheckpointsSteps": 5,
        "extraArgs": ["--log_steps=1"],
    }
    return job


def status_of(cluster):
    return cluster.kubectl.get("enj", NAME).get("status") or {}


def wait(what, probe):
    return wait_until(what, probe, deadline_s=DEADLINE_S, pause_s=0.1)


def wait_for_step(cluster, step):
    wait(f"step {step}", lambda: (status_of(cluster).get("progress") or {}).get("step", 0) >= step)


def of_attempt(attempt, holds):
    label = "efficientnet.dev/attempt"
    return lambda pod: pod["metadata"]["labels"][label] == str(attempt) and holds(pod)


def is_allocated(pod):
    return CONFIGURATION in pod["metadata"].get("annotations", {})


def seconds(stamp):
    """Return a log line's time (RFC 3339, nanoseconds) as seconds since the epoch."""
    return datetime.fromisoformat(re.sub(r"\.(\d{6})\d*", r".\1", stamp)).timestamp()


def log_times(cluster, pod, words):
    """Return the times of the lines of a pod's log that hold some words."""
    log = cluster.kubectl("logs", pod, "--timestamps")
    return [seconds(line.split()[0]) for line in log.splitlines() if words in line]


def measure_kubelet(cluster, rounds=5):
    """Return the seconds from a changed, nudged ConfigMap to its sight in the container."""
    shell = "old=; while :; do new=$(cat /t/v); [ $new = $old- ] || echo saw $new; old=$new-"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "floor"},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "look",
                    "image": DIGITS["spec"]["image"],
                    "imagePullPolicy": "Never",
                    "command": ["sh", "-c", f"{shell}; sleep 0.02; done"],
                    "volumeMounts": [{"name": "t", "mountPath": "/t"}],
                }
            ],
            "volumes": [{"name": "t", "configMap": {"name": "floor"}}],
        },
    }
    values = []
    cluster.kubectl.apply(config_map(0), pod)
    try:
        wait("the pod of the floor", lambda: "saw 0" in log_of(cluster, "floor"))
        for number in range(1, rounds + 1):
            cluster.kubectl.apply(config_map(number))
            wrote = time.time()
            cluster.kubectl("annotate", "pod", "floor", f"nudge={number}", "--overwrite")
            words = f"saw {number}"
            at = wait(words, lambda words=words: log_times(cluster, "floor", words))
            values.append(at[0] - wrote)
    finally:
        cluster.kubectl("delete", "pod/floor", "configmap/floor", "--ignore-not-found")
    return values


def config_map(number):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "floor"},
        "data": {"v": str(number)},
    }


def log_of(cluster, pod, *options):
    """Return a pod's log; "" before its container runs, when the API server refuses it."""
    running = cluster.kubectl.get("pod", pod)["status"]["phase"] == "Running"
    return cluster.kubectl("logs", pod, *options) if running else ""


def measure_tables(cluster, rounds):
    """Return the seconds from the last allocation to the table, and to all addresses.

    Of all rounds and ranks, each.
    """
    tables, addresses = [], []
    for number in range(rounds):
        watch = start(cluster)
        try:
            wait("all ranks run", lambda: status_of(cluster).get("phase") == "Running")
            tables += seconds_to(cluster, watch, "rank table complete")
            addresses += seconds_to(cluster, watch, "all addresses known")
            print(f"table, round {number + 1} of {rounds}: {max(tables[-RANKS:]):.2f} s")
        finally:
            watch.close()
            remove_job(cluster, NAME)
    return tables, addresses


def start(cluster):
    remove_job(cluster, NAME)
    watch = PodWatch(cluster.kubectl, f"efficientnet.dev/job-name={NAME}")
    cluster.kubectl.apply(a_job())
    return watch


def seconds_to(cluster, watch, words):
    """Return when each rank's launcher said so, in seconds since the last allocation."""
    allocated = max(watch.first_times(is_allocated).values())
    pods = [f"{NAME}-1-{index}" for index in range(RANKS)]
    return [log_times(cluster, pod, words)[0] - allocated for pod in pods]


def measure_failures(cluster):
    """Kill a rank, then stop one; return the seconds of both and what the stop left."""
    watch = start(cluster)
    try:
        wait_for_step(cluster, 7)
        killed = time.time()
        kill_rank(cluster.kubectl, f"{NAME}-1-3")
        created = of_attempt(2, bool)
        wait("the next pods", lambda: len(watch.first_times(created)) == RANKS)
        pods_s = max(watch.first_times(created).values()) - killed
        step_at, step = wait("a step of attempt 2", lambda: first_step(cluster, 2))
        wait_for_step(cluster, step + 3)
        stopped = time.time()
        stop_rank(cluster.kubectl, f"{NAME}-2-2")
        ended = of_attempt(2, lambda pod: pod["status"]["phase"] == "Failed")
        wait("the stop", lambda: len(watch.first_times(ended)) == RANKS)
        exit_s = max(watch.first_times(ended).values()) - stopped
        ends = [end for pod, end in watch.ends().items() if pod.startswith(f"{NAME}-2-")]
    finally:
        watch.close()
        remove_job(cluster, NAME)
    facts = {
        "first step of attempt 2": step,
        "exit codes after SIGTERM to one rank": sorted({code for code, _ in ends}),
        "steps at which the ranks stopped": sorted({json.loads(text)["step"] for _, text in ends}),
    }
    return (pods_s, step_at - killed, exit_s), facts


def first_step(cluster, attempt):
    """Return when rank 0 of an attempt logged its first step, and which; None before that."""
    table = cluster.kubectl.get("configmap", f"{NAME}-{attempt}-rank-table")["data"]
    peers = json.loads(table.get("peers.json") or "[]")
    if not peers:
        return None
    log = log_of(cluster, peers[0]["pod"], "--timestamps")
    found = re.search(r"^(\S+) step:(\d+) ", log, re.MULTILINE)
    return (seconds(found[1]), int(found[2])) if found else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--name", default="dev", help="the cluster (default: dev)")
    parser.add_argument("--rounds", type=int, default=3, help="gangs started for the table's way")
    arguments = parser.parse_args()
    try:
        cluster = stage.find_cluster(arguments.name)
    except stage.DemoError as error:
        parser.exit(2, f"bench-gang: {error}\n")
    kubelet = Figures("kubelet alone: change to container, s", measure_kubelet(cluster))
    tables, addresses = measure_tables(cluster, arguments.rounds)
    (pods_s, step_s, exit_s), facts = measure_failures(cluster)
    rows = [
        kubelet,
        Figures(
            "last allocation to table in each container, s",
            tables,
            BARS_S["table"],
            kubelet.median,
        ),
        Figures("last allocation to all addresses there, s", addresses),
        Figures("kill to the next attempt's pods, s", [pods_s], BARS_S["pods"]),
        Figures("kill to its first step, s", [step_s]),
        Figures("SIGTERM to one rank to the end of all, s", [exit_s]),
    ]
    return 0 if report("gang-times", rows, facts) else 1


if __name__ == "__main__":
    sys.exit(main())
