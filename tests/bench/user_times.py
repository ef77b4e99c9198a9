"""Measure what a user waits for on a local cluster that `make demo` left.

`helm install` until the operator is ready; `kubectl enj submit` until its job runs; `kubectl enj
status` until something stands on the terminal; the import of the plugin. The floor of the last
two is a Python that starts and ends, the floor of a submitted job a bare pod of the same image.

    make bench-user
"""

import argparse
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import yaml
from demo import stage
from demo.helm import Helm
from demo.small_job import QUICK
from localcluster.binaries import find_binaries
from localcluster.cluster import Cluster
from operator_lab.waiting import wait_until
from reporting import Figures, report

NAME = "bench-user"
ROUNDS, SUBMITTED = 5, 3
PLUGIN = Path(sys.executable).with_name("kubectl-enj")
BARS_S = {"install": 20.0, "running": 10.0, "paint": 0.5, "import": 0.3}


def main() -> int:
    """Measure all; the exit code says whether every bar holds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--name", default="dev", help="the cluster (default: dev)")
    try:
        cluster = stage.find_cluster(parser.parse_args().name)
    except stage.DemoError as error:
        parser.exit(2, f"bench-user: {error}\n")
    # The plugin's own interpreter, without the path of this benchmark.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment |= {"KUBECONFIG": str(cluster.kubeconfig), "TERM": "xterm"}
    python = [PLUGIN.with_name("python"), "-c"]
    bare = median(time_command([*python, ""], environment) for _ in range(ROUNDS))
    module = [*python, "import efficientnet_operator.enj.main"]
    # First what runs on the user's own machine, while nothing trains on this one.
    painted = [
        time_first_words([PLUGIN, "status", stage.JOB], stage.JOB, environment)
        for _ in range(ROUNDS)
    ]
    imported = [time_command(module, environment) for _ in range(ROUNDS)]
    rows = [
        Figures("helm install to ready, s", [time_install(cluster)], bar=BARS_S["install"]),
        Figures(
            "kubectl enj submit to Running, s",
            [time_submit(cluster, environment) for _ in range(SUBMITTED)],
            bar=BARS_S["running"],
            floor=time_bare_pod(cluster),
        ),
        Figures(
            "kubectl enj status to its first words, s", painted, bar=BARS_S["paint"], floor=bare
        ),
        Figures("import of kubectl enj, s", imported, bar=BARS_S["import"], floor=bare),
    ]
    stage.remove_job(cluster, NAME)
    return 0 if report("user", rows) else 1


def time_command(command: list[object], environment: dict[str, str]) -> float:
    """Return the seconds that a command takes."""
    began = time.monotonic()
    subprocess.run(list(map(str, command)), env=environment, check=True, capture_output=True)
    return time.monotonic() - began


def time_install(cluster: Cluster) -> float:
    """Install the operator anew; return the seconds until helm calls it ready."""
    helm = Helm(find_binaries("helm")["helm"], cluster.kubeconfig, stage.NAMESPACE)
    helm("uninstall", stage.RELEASE, "--wait")
    # A first installation finds none. That of an operator whose rights went with it stays held.
    cluster.kubectl("delete", "lease", "-n", stage.NAMESPACE, "--all")
    archives = stage.build_images()
    began = time.monotonic()
    stage.install_operator(cluster, archives)
    seconds = time.monotonic() - began
    stage.say(f"operator ready {seconds:.1f} s after helm install")
    return seconds


def time_submit(cluster: Cluster, environment: dict[str, str]) -> float:
    """Submit the demo's job with two ranks; return the seconds until it runs."""
    stage.remove_job(cluster, NAME)
    submit = [PLUGIN, "submit", NAME, "-f", stage.EXAMPLES / "digits-b0.yaml", "--npus", "2"]
    submit += ["--set", "scheduling.npusPerHost=1", "--set", f"training.extraArgs={[*QUICK]}"]
    began = time.monotonic()
    time_command(submit, environment)
    time_command([PLUGIN, "wait", NAME, "--for", "Running", "--timeout", "120s"], environment)
    seconds = time.monotonic() - began
    stage.say(f"submitted to Running in {seconds:.1f} s")
    return seconds


def time_bare_pod(cluster: Cluster) -> float:
    """Return the seconds until a pod of the trainer's image runs that waits for nothing."""
    example = yaml.safe_load((stage.EXAMPLES / "digits-b0.yaml").read_text())
    container = {"name": "c", "image": example["spec"]["image"], "imagePullPolicy": "Never"}
    container["command"] = ["sleep", "600"]
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": NAME}, "spec": spec}
    began = time.monotonic()
    cluster.kubectl.apply(pod)
    wait_until(
        "the bare pod runs",
        lambda: cluster.kubectl.get("pod", NAME)["status"].get("phase") == "Running",
        deadline_s=120,
    )
    seconds = time.monotonic() - began
    cluster.kubectl("delete", "pod", NAME, "--wait=true")
    return seconds


def time_first_words(command: list[object], words: str, environment: dict[str, str]) -> float:
    """Return the seconds until a command on a terminal has written words that are waited for."""
    began = time.monotonic()
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe(str(command[0]), list(map(str, command)), environment)
    seen = b""
    while words.encode() not in seen:
        ready, _, _ = select.select([terminal], [], [], 30)
        if not ready:
            raise TimeoutError(f"{command} wrote only {seen!r} in 30 s")
        seen += os.read(terminal, 65536)
    seconds = time.monotonic() - began
    os.kill(child, 15)
    os.close(terminal)
    os.waitpid(child, 0)
    return seconds


if __name__ == "__main__":
    sys.exit(main())
