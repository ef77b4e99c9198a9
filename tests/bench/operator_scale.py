"""Measure the operator from 8 to 5,000 NPUs against a bare loop on the same machine.

Real etcd, API server, controllers and scheduler; kwok's nodes of eight NPUs,
whose pods turn Running and Ready at once; a device plugin without its delay.
The operator is a process of its own, with the rights that it is shipped with.
The floor is a process with the same HTTP client that stores the same pods, 64
requests in flight, in the same run; it ends when the last annotation is seen.

    make bench-operator
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from efficientnet_operator.core.resources import JOB, POD
from efficientnet_operator.kube.client import KubeClient
from localcluster.control_plane import ControlPlane
from operator_idle import cpu_seconds, memory_mb
from operator_lab.identity import install, write_operator_kubeconfig
from operator_lab.process import OperatorProcess
from prometheus_client.parser import text_string_to_metric_families
from scale.bare_loop import for_all
from scale.floor import BareLoop, time_floor
from scale.observer import NAMESPACE, Observer
from scale.plugin import FleetPlugin
from scale.results import Result, keep, tell

SIZES = (8, 256, 1000, 4096, 5000)
FLEET = (500, 8)
SPARE_NODES = 4
SIBLING_WAIT_S = 5.0
REQUESTS = "efficientnet_operator_api_requests_total"


@dataclass
class Bench:
    """What a round needs.

    Attributes:
        client: the administrator's connection.
        observer: what was seen, and when.
        loop: the floor's process.
        operator: not running at the start of a round.
    """

    client: KubeClient
    observer: Observer
    loop: BareLoop
    operator: OperatorProcess


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--npus", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--fleet", type=int, nargs=2, default=FLEET, metavar=("JOBS", "NPUS"))
    arguments = parser.parse_args()
    jobs, npus = arguments.fleet
    largest = max([jobs * npus, *arguments.npus])
    with (
        tempfile.TemporaryDirectory() as folder,
        ControlPlane(fake_nodes=largest // 8 + SPARE_NODES) as cluster,
    ):
        install(cluster)
        asyncio.run(run(cluster, Path(folder), arguments.npus, jobs, npus))
    return 0


async def run(cluster: ControlPlane, folder: Path, sizes: list[int], jobs: int, npus: int) -> None:
    """Measure round by round; what was measured is told and kept after each of them."""
    results: list[Result] = []
    async with preparing(cluster, folder) as bench:
        rounds = [partial(measure_gang, bench, size) for size in sizes]
        if jobs:
            rounds.append(partial(measure_fleet, bench, jobs, npus))
        for measure in rounds:
            found = await measure()
            tell(found, head=not results)
            results += found
            keep(results)


@asynccontextmanager
async def preparing(cluster: ControlPlane, folder: Path) -> AsyncIterator[Bench]:
    """Start the observer, the plugin and the bare loop; end them after the block."""
    kubeconfig = write_operator_kubeconfig(cluster, folder / "kubeconfig")
    operator = OperatorProcess(kubeconfig, folder / "operator.log")
    client = await KubeClient.connect(str(cluster.kubeconfig))
    observer = Observer(client, FleetPlugin(client).see)
    await observer.start()
    try:
        async with BareLoop(cluster.kubeconfig, folder) as loop:
            yield Bench(client, observer, loop, operator)
    except BaseException:
        if operator.log.exists():
            print(operator.log.read_text()[-4000:], file=sys.stderr)
        raise
    finally:
        operator.kill()
        await observer.stop()
        await client.close()


async def measure_gang(bench: Bench, npus: int) -> list[Result]:
    """Return one gang's figures: apply, gang restart, deletion."""
    say(f"{npus} NPUs: the floor")
    floor = await time_floor(bench.loop, bench.observer, a_job(f"floor-{npus}", npus))
    say(f"{npus} NPUs: the operator; the floor was {floor}")
    bench.operator.start()
    observer, name = bench.observer, f"gang-{npus}"
    first, second = (name, 1), (name, 2)
    used_s, requests = cpu_seconds(bench.operator.pid), count_requests(bench.operator)
    began = time.monotonic()
    await bench.client.create(JOB.path(NAMESPACE), a_job(name, npus))
    seconds = {"pods created": await observer.until_pods(first, "created", npus) - began}
    seconds["table completed"] = await observer.until_table(first) - began
    seconds["all nudged"] = await observer.until_pods(first, "nudged", npus) - began
    await until_phase(observer, name, "Running")
    requests = count_requests(bench.operator) - requests
    used_s = cpu_seconds(bench.operator.pid) - used_s

    # Its siblings' reports are waited for by design; the restart is timed from the end of that.
    failed = await fail_a_rank(bench.client, name)
    began = failed + SIBLING_WAIT_S
    seconds["gang restart"] = await observer.until_table(second) - began
    await observer.until_pods(second, "nudged", npus)

    began = time.monotonic()
    await bench.client.delete(JOB.path(NAMESPACE, name), {"propagationPolicy": "Background"})
    seconds["deletion"] = await observer.until_pods(second, "gone", npus) - began
    memory = memory_mb(bench.operator.pid, "VmHWM")
    bench.operator.terminate()
    return [
        Result(npus, measure, value, floor.get(measure), per_pod(requests, npus), memory, used_s)
        for measure, value in seconds.items()
    ]


async def measure_fleet(bench: Bench, jobs: int, npus: int) -> list[Result]:
    """Return the figures of many jobs at once, and how far their status is behind.

    One pod takes a whole host, as is recommended for servers: what is measured is how the
    operator keeps up, not how pods of several jobs get out of each other's way.
    """
    observer, total = bench.observer, jobs * npus
    say(f"{jobs} jobs of {npus}: the operator")
    bench.operator.start()
    used_s, requests = cpu_seconds(bench.operator.pid), count_requests(bench.operator)
    names = [f"fleet-{i}" for i in range(jobs)]
    began = time.monotonic()
    await for_all(names, lambda n: bench.client.create(JOB.path(NAMESPACE), a_job(n, npus, npus)))
    await observer.until("all tables", lambda: all((n, 1) in observer.tables for n in names))
    seconds = max(observer.tables[n, 1] for n in names) - began
    await observer.until("all run", lambda: all("Running" in observer.statuses[n] for n in names))
    requests = count_requests(bench.operator) - requests
    used_s = cpu_seconds(bench.operator.pid) - used_s
    behind = [observer.statuses[n]["table"] - observer.last[(n, 1), "annotated"] for n in names]
    memory = memory_mb(bench.operator.pid, "VmHWM")
    bench.operator.terminate()
    figures = {
        f"{jobs} jobs: tables completed": seconds,
        f"{jobs} jobs: status behind its pods, median": sorted(behind)[jobs // 2],
        f"{jobs} jobs: status behind its pods, largest": max(behind),
    }
    return [
        Result(total, measure, value, None, per_pod(requests, total), memory, used_s)
        for measure, value in figures.items()
    ]


def a_job(name: str, npus: int, npus_per_pod: int = 1) -> dict[str, Any]:
    """Return the smallest job of so many NPUs."""
    return {
        "apiVersion": "efficientnet.dev/v1alpha1",
        "kind": "EfficientNetJob",
        "metadata": {"name": name},
        "spec": {
            "npus": npus,
            "npusPerPod": npus_per_pod,
            "image": "trainer:1",
            "dataset": {"path": "/data"},
            "output": {"path": "/out"},
        },
    }


async def fail_a_rank(client: KubeClient, name: str) -> float:
    """Let one trainer end with exit code 137 in this second; return when that began."""
    wall_s = time.time()
    began = time.monotonic() - wall_s % 1
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(wall_s))
    ended = {"exitCode": 137, "reason": "Error", "finishedAt": now, "startedAt": now}
    container = {"name": "trainer", "image": "", "imageID": "", "ready": False, "restartCount": 0}
    status = {
        "phase": "Failed",
        "containerStatuses": [container | {"state": {"terminated": ended}}],
    }
    path = POD.path(NAMESPACE, f"{name}-1-0")
    await client.merge_patch(f"{path}/status", {"status": status})
    return began


async def until_phase(observer: Observer, name: str, phase: str) -> float:
    """Wait until a job was seen in a phase; return when."""
    await observer.until(f"{name} {phase}", lambda: phase in observer.statuses[name])
    return observer.statuses[name][phase]


def count_requests(operator: OperatorProcess) -> Counter[str]:
    """Return the requests that the operator sent so far, by verb and resource."""
    counts: Counter[str] = Counter()
    for family in text_string_to_metric_families(operator.fetch("/metrics")):
        for sample in family.samples:
            if sample.name == REQUESTS:
                counts["{verb} {resource}".format(**sample.labels)] += int(sample.value)
    return counts


def per_pod(requests: Counter[str], pods: int) -> dict[str, float]:
    """Return requests by verb and resource, for each pod."""
    return {what: round(count / pods, 3) for what, count in sorted(requests.items()) if count}


def say(what: str) -> None:
    """Tell how far it is."""
    print(f"bench-operator: {time.strftime('%X')} {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
