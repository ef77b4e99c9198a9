"""Run the demo: `python -m demo [--name dev]`; exit code 0 once the job has succeeded."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from typing import Any

import yaml
from localcluster.cluster import Cluster
from localcluster.errors import ClusterError

from demo import stage, story
from demo.stage import JOB, DemoError, say

TIMEOUT_S = 1800
LOOK_S = 1.0
QUIET_S = 10.0


def main() -> int:
    """Set the stage, run the job, tell its story."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--name", default="dev", help="the cluster (default: dev)")
    arguments = parser.parse_args()
    try:
        run(arguments.name)
    except (DemoError, ClusterError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return interrupted(arguments.name)
    return 0


def run(name: str) -> None:
    """Run the demo on the named cluster."""
    say("images (2 min the first time, seconds afterwards)")
    archives = stage.build_images()
    say("cluster of two nodes with eight simulated Ascend 910 each (about 30 s)")
    cluster = Cluster(name).up(2)
    stage.equip(cluster, archives)
    stage.prepare_data(cluster)
    say("helm install of the operator")
    stage.install_operator(cluster, archives)
    stage.remove_job(cluster, JOB)
    manifest = stage.EXAMPLES / f"{JOB}.yaml"
    say(f"kubectl apply -f {manifest.relative_to(stage.ROOT)} (about 6 min on 2 cores)")
    started = time.monotonic()
    cluster.kubectl("apply", "-f", str(manifest))
    job = follow(cluster)
    tell(cluster, job, time.monotonic() - started)


def follow(cluster: Cluster) -> dict[str, Any]:
    """Print progress until the job ends; return it.

    Raises:
        DemoError: it failed, or took longer than half an hour.
    """
    deadline = time.monotonic() + TIMEOUT_S
    shown, shown_at = "", 0.0
    while time.monotonic() < deadline:
        job: dict[str, Any] = cluster.kubectl.get("enj", JOB)
        status = job.get("status") or {}
        line = story.describe_progress(status)
        phase_is_new = line.split(" ")[0] != shown.split(" ")[0]
        if phase_is_new or (line != shown and time.monotonic() - shown_at > QUIET_S):
            say(line)
            shown, shown_at = line, time.monotonic()
        if status.get("phase") == "Succeeded":
            return job
        if status.get("phase") == "Failed":
            raise DemoError(f"the job failed:\n{yaml.safe_dump(status.get('failure'))}")
        time.sleep(LOOK_S)
    raise DemoError(f"the job did not end within {TIMEOUT_S} s; its status: {shown}")


def tell(cluster: Cluster, job: dict[str, Any], seconds: float) -> None:
    """Print the job, its rank table and accuracy, and how to look further."""
    table = job["status"]["rankTable"]["configMap"]
    hccl = cluster.kubectl.get("configmap", table)["data"]["hccl.json"]
    progress = job["status"]["progress"]
    print(cluster.kubectl("get", "enj", JOB))
    print(f"rank table (ConfigMap {table}):")
    for line in story.describe_rank_table(hccl):
        print(f"  {line}")
    print(
        f"\naccuracy on the validation images at step {progress['step']}: "
        f"top-1 {progress['top1']:.4f}, top-5 {progress['top5']:.4f}\n\n"
        "look further:\n"
        f"  export KUBECONFIG=$({story.make('kubeconfig', cluster.name)}) "
        "PATH=$(dirname $(make kubectl-path)):$PATH\n"
        f"  kubectl describe enj {JOB};  kubectl logs {JOB}-1-0\n"
        "  operator metrics: kubectl -n efficientnet-system port-forward "
        "deploy/efficientnet-operator 8080, then curl localhost:8080/metrics\n"
        f"  its curves as a picture: {story.make('demo-plot', cluster.name)}\n"
        f"  TensorBoard: trainer/.venv/bin/tensorboard --logdir {cluster.folder}/volumes/output\n"
        f"  run it again: {story.make('demo', cluster.name)};  "
        f"remove the cluster: {story.make('cluster-down', cluster.name)}\n"
    )
    print(story.last_line(job, hccl, seconds))


def interrupted(name: str) -> int:
    """Remove a job that was cut off; the cluster stays for the next run."""
    cluster = Cluster(name)
    # Without a cluster yet there is nothing to take back.
    with contextlib.suppress(ClusterError, OSError):
        cluster.kubectl("delete", "enj", JOB, "--ignore-not-found", "--wait=false")
    print(
        f"\ndemo: interrupted; {story.make('demo', name)!r} goes on, "
        f"{story.make('cluster-down', name)!r} removes the cluster",
        file=sys.stderr,
    )
    return 130


if __name__ == "__main__":
    sys.exit(main())
