"""The operator is killed at each write of a job's whole life, before it is sent and after.

An operator with an empty memory follows each time. All lives end alike: every
pod was made once, every attempt's table published once, none skipped. A
Kubernetes event may be told twice, or be lost.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator

import pytest
from efficientnet_operator.core.resources import EVENT
from efficientnet_operator.core.resources import JOB as JOBS
from efficientnet_operator.kube.client import KubeClient
from operator_lab.api import Api
from operator_lab.cast import Cast
from operator_lab.identity import write_operator_kubeconfig
from operator_lab.inprocess import Fate, operate
from operator_lab.waiting import wait_until

SCRIPT = {1: {1: 137}, 2: {0: 0, 1: 0}}
"""Rank 1 is killed once, then all ranks succeed."""
JOB = {
    "apiVersion": "efficientnet.dev/v1alpha1",
    "kind": "EfficientNetJob",
    "metadata": {"name": "life"},
    "spec": {
        "npus": 2,
        "image": "trainer:1",
        "dataset": {"path": "/data"},
        "output": {"path": "/out"},
        # A group to itself each, so that two hosts with one free NPU are room enough.
        "scheduling": {"npusPerHost": 1},
    },
}
AT_ONCE = 14
"""Lives of two NPUs each; the simulated cluster has 32."""
BASELINES = 4
MORE = 2
"""Writes beyond those of an undisturbed life: an operator that is killed sends some again."""
LEAST_WRITES = 20
"""Two attempts of a table and two pods: made, published, annotated, deleted, told of.

How many more there are depends on what one turn finds at once.
"""
SETTLED_S = 1.0
"""After the end: time for an operator to do what it must not."""
TOLD_S = 10.0
"""The same where nothing disturbs: the last event, which comes after the status, must be told."""
DEADLINE_S = 180.0


class Theatre:
    """Where the lives are led."""

    def __init__(self, api: Api, kubeconfig, client: KubeClient, cast: Cast) -> None:
        self.api = api
        self.kubeconfig = kubeconfig
        self.client = client
        self.cast = cast
        self.room = asyncio.Semaphore(AT_ONCE)

    async def live(self, namespace: str, fate: Fate) -> dict:
        """Lead one life to its end; return what it came to."""
        async with self.room:
            await asyncio.to_thread(make_namespace, self.api, namespace)
            operator = asyncio.create_task(operate(self.kubeconfig, namespace, fate))
            try:
                await self.client.create(JOBS.path(namespace), JOB)
                async with asyncio.timeout(DEADLINE_S):
                    await self.cast.wait_finished(namespace, "life")
                await asyncio.sleep(SETTLED_S if fate.kill_at else TOLD_S)
                return await self.outcome(namespace)
            except TimeoutError as error:
                stood = self.cast.jobs.get((namespace, "life"))
                raise AssertionError(f"{namespace}, {fate} does not end: {stood}") from error
            finally:
                operator.cancel()
                await asyncio.gather(operator, return_exceptions=True)
                await self.client.delete(JOBS.path(namespace, "life"))

    async def outcome(self, namespace: str) -> dict:
        """Return what must be the same in all lives, and how often each event was told."""
        status = normalize(self.cast.jobs[namespace, "life"]["status"])
        events = (await self.client.get(EVENT.path(namespace)))["items"]
        told = [e["reason"] for e in events if e["involvedObject"]["kind"] == "EfficientNetJob"]
        return {
            "status": {**status, "conditions": {c["type"]: c for c in status["conditions"]}},
            "pods": {n: len(u) for (ns, n), u in self.cast.pods.items() if ns == namespace},
            "tables": {n: t for (ns, n), t in self.cast.tables.items() if ns == namespace},
            "attempts": self.cast.attempts[namespace, "life"],
            "events": Counter(told),
        }


def make_namespace(api: Api, namespace: str) -> None:
    api.create("namespaces", "", {"metadata": {"name": namespace}})
    account = ("serviceaccounts", namespace, "default")
    wait_until("pods may be made there", lambda: api.find(*account))


VARYING = frozenset({"lastTransitionTime", "startTime", "attemptStartTime", "completionTime"})
VARYING |= {"completedAt", "lastUpdated", "sha256", "rank", "npu"}


def normalize(value):
    """Leave out times, hosts and what follows from them, as a pod's rank does."""
    if isinstance(value, dict):
        return {k: normalize(v) for k, v in value.items() if k not in VARYING}
    if isinstance(value, list):
        return [normalize(v) for v in value]
    if isinstance(value, str):
        return re.sub(r"\brank \d\b", "a rank", re.sub(r"\bfake\d\b", "a node", value))
    return value


def differences(found: dict, wanted: dict) -> Iterator[str]:
    for what, value in wanted.items():
        if what == "events":
            often = {reason: n for reason, n in found[what].items() if n > value[reason] + 1}
            if often or sum((found[what] - value).values()) > 1:
                yield f"events were repeated: {found[what]} instead of {value}"
        else:
            yield from compare(what, found[what], value)


def compare(path: str, found, wanted) -> Iterator[str]:
    """Name each place where two values differ."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted({*found, *wanted}):
            yield from compare(f"{path}.{key}", found.get(key), wanted.get(key))
    elif found != wanted:
        yield f"{path} is {found} instead of {wanted}"


@pytest.fixture
def kubeconfig(api, operator, simulated_cluster, tmp_path):
    operator.kill()  # these jobs have operators of their own
    return write_operator_kubeconfig(simulated_cluster, tmp_path / "kubeconfig")


async def test_killed_at_any_write_a_life_ends_the_same(api, kubeconfig, simulated_cluster):
    client = await KubeClient.connect(str(simulated_cluster.kubeconfig))
    cast = Cast(client, SCRIPT)
    playing = asyncio.create_task(cast.play())
    theatre = Theatre(api, kubeconfig, client, cast)
    try:
        undisturbed = [Fate() for _ in range(BASELINES)]
        wanted, *others = await asyncio.gather(
            *(theatre.live(f"life-{n}", fate) for n, fate in enumerate(undisturbed))
        )
        assert [list(differences(other, wanted)) for other in others] == [[]] * len(others)
        assert wanted["pods"] == {f"life-{a}-{i}": 1 for a in (1, 2) for i in (0, 1)}
        assert wanted["attempts"] == [1, 2]
        count = max(len(fate.writes) for fate in undisturbed) + MORE
        fates = {
            f"life-{'after' if sent else 'before'}-{k}": Fate(k, sent)
            for k in range(1, count + 1)
            for sent in (False, True)
        }
        found = await asyncio.gather(*(theatre.live(*item) for item in fates.items()))
    finally:
        playing.cancel()
        stopped = await asyncio.gather(playing, return_exceptions=True)
        await client.close()
    assert isinstance(stopped[0], asyncio.CancelledError), stopped
    wrong = {}
    for name, life in zip(fates, found, strict=True):
        if told := list(differences(life, wanted)):
            wrong[f"{name}: {fates[name].writes[-1]}"] = told
    killed = {fate.kill_at for fate in fates.values() if fate.killed}
    print(f"{len(killed)} writes, killed before and after each: {len(wrong)} differences")
    assert not wrong, json.dumps(wrong, indent=1)
    assert killed >= set(range(1, LEAST_WRITES + 1))
