"""Set the stage: cluster, images, simulated NPUs, data, operator.

Each step looks first at what stands already, so that a second run is quick and
one that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import yaml
from ascend_sim.fleet import Fleet
from localcluster.binaries import find_binaries
from localcluster.cluster import Cluster

from demo import story
from demo.helm import Helm
from demo.shards import is_whole

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "deploy" / "examples"
NAMESPACE = "efficientnet-system"
RELEASE = "efficientnet-operator"
JOB = "digits-b0"
PREPARE_JOB = "prepare-digits"
TRAINER_USER = 1000
PREPARE_TIMEOUT_S = 120
REMOVE_TIMEOUT_S = 240
"""Twice the grace of a trainer's pod: after a hard kill of the cluster a kubelet uses it up."""


class DemoError(Exception):
    """A step did not work; the message says which, why, and the way out."""


def say(text: str) -> None:
    """Print one line of progress at once."""
    print(f"demo: {text}", flush=True)


def build_images() -> list[str]:
    """Return the archives of both images, built where sources changed."""
    done = subprocess.run(
        [ROOT / "tools/images/build.sh", "all"], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise DemoError("the images could not be built; the lines above say why")
    return done.stdout.split()


def find_cluster(name: str) -> Cluster:
    """Return the cluster of a demo that has ended well.

    Raises:
        DemoError: there is none, it does not run, or its job is not there.
    """
    cluster = Cluster(name)
    found = cluster.problems()
    if not found and not cluster.kubectl("get", "enj", JOB, "--ignore-not-found"):
        found = [f"has no EfficientNetJob default/{JOB}"]
    if found:
        what = found[0].partition(";")[0]
        raise DemoError(f"cluster {name}: {what}; {story.make('demo', name)!r} sets it up")
    return cluster


def equip(cluster: Cluster, archives: list[str]) -> None:
    """Load both images into every node and give each eight simulated NPUs."""
    cluster.load(archives)
    Fleet(cluster).start(period_s=1.0)


def install_operator(cluster: Cluster, archives: list[str]) -> None:
    """Install the chart, or upgrade to the images as they are now."""
    image_hash = next(Path(a).stem for a in archives if Path(a).name.startswith("operator-"))
    values = {
        "image.repository": "localhost/efficientnet-operator",
        "image.tag": "dev",
        "image.pullPolicy": "Never",
        "progressIntervalSeconds": "2",
        # On one machine a second one would cost a start and save nothing.
        "replicas": "1",
        # The tag stays the same, so this alone tells a changed image from the old one.
        "podAnnotations.demo/image": image_hash,
    }
    command = ["upgrade", "--install", RELEASE, str(ROOT / "charts/efficientnet-operator")]
    command += ["--create-namespace", "--wait", "--timeout", "90s"]
    for key, value in values.items():
        command += ["--set-string" if key.startswith("pod") else "--set", f"{key}={value}"]
    helm = Helm(find_binaries("helm")["helm"], cluster.kubeconfig, NAMESPACE)
    removed = helm.remove_unfinished(RELEASE)
    if removed and removed.returncode:
        raise DemoError(
            f"an earlier helm was killed, and its release {RELEASE} can not be uninstalled: "
            f"{removed.stderr.strip()}; {story.make('cluster-down', cluster.name)!r} removes all"
        )
    done = helm(*command)
    if done.returncode:
        pods = cluster.kubectl("get", "pods", "-n", NAMESPACE, "-o", "wide")
        raise DemoError(f"helm could not install the operator: {done.stderr.strip()}\n{pods}")


def prepare_data(cluster: Cluster) -> None:
    """Create the volumes and have the trainer image write the digits into one of them."""
    folder = cluster.folder / "volumes"
    documents = list(yaml.safe_load_all((EXAMPLES / "digits-volumes.yaml").read_text()))
    for volume in (d for d in documents if d["kind"] == "PersistentVolume"):
        path = folder / Path(volume["spec"]["hostPath"]["path"]).name
        path.mkdir(parents=True, exist_ok=True)
        os.chown(path, TRAINER_USER, TRAINER_USER)
        volume["spec"]["hostPath"]["path"] = str(path)
    cluster.kubectl.apply(*documents)
    if is_whole(path.name for path in (folder / "data").iterdir()):
        return
    say("writing scikit-learn's digits as TFRecords (about 10 s)")
    # Applied again unchanged, a Job that failed or ended would stay as it is.
    cluster.kubectl("delete", "job", PREPARE_JOB, "--ignore-not-found", "--cascade=foreground")
    cluster.kubectl("apply", "-f", str(EXAMPLES / "digits-prepare.yaml"))
    _wait_for_job(cluster, PREPARE_JOB)


def _wait_for_job(cluster: Cluster, name: str) -> None:
    deadline = time.monotonic() + PREPARE_TIMEOUT_S
    status: dict[str, Any] = {}
    while time.monotonic() < deadline:
        status = cluster.kubectl.get("job", name)["status"]
        if status.get("succeeded"):
            return
        if status.get("failed"):
            break
        time.sleep(0.5)
    logs = cluster.kubectl("logs", f"job/{name}", "--tail=20")
    raise DemoError(f"job {name} did not succeed ({status}):\n{logs}")


def remove_job(cluster: Cluster, name: str) -> None:
    """Delete an earlier run's job, its pods and its output."""
    cluster.kubectl("delete", "enj", name, "--ignore-not-found", "--wait=true")
    deadline = time.monotonic() + REMOVE_TIMEOUT_S
    selector = f"efficientnet.dev/job-name={name}"
    while cluster.kubectl.get("pods", "-l", selector)["items"]:
        if time.monotonic() > deadline:
            raise DemoError(
                f"pods of an earlier {name} do not go; "
                f"{story.make('cluster-down', cluster.name)!r} removes all"
            )
        time.sleep(0.5)
    output = cluster.folder / "volumes" / "output"
    for entry in sorted(output.rglob("*"), reverse=True):
        if entry.is_dir() and not entry.is_symlink():
            entry.rmdir()
        else:
            entry.unlink()
