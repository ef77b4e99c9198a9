"""Watch what happens to a namespace's pods, tables and jobs, and note when each was seen.

One observer serves the floor and the operator alike, so that what it costs
stands in both figures.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from ascend_sim.annotations import CONFIGURATION
from efficientnet_operator.core.identity import (
    ATTEMPT_LABEL,
    JOB_NAME_LABEL,
    RANK_TABLE_ANNOTATION,
)
from efficientnet_operator.core.resources import CONFIG_MAP, JOB, POD
from efficientnet_operator.kube.client import KubeClient

NAMESPACE = "default"
Gang = tuple[str, int]
"""A job's name and the attempt."""

SHOWN = 10
"""Gangs that a failure tells of; a fleet has hundreds."""


class Observer:
    """Counts what was seen; start it inside the event loop.

    Attributes:
        pods: for each gang, how many of its pods were seen in each state:
            ``created``, ``annotated``, ``nudged``, ``gone``.
        tables: for each gang, when its completed table was seen.
        last: for each gang and state, when it was last seen to change.
        statuses: for each job, when each word of its status was first seen.
    """

    def __init__(self, client: KubeClient, on_pod: Callable[[str, dict[str, Any]], None]) -> None:
        self._client = client
        self._on_pod = on_pod
        self._seen: dict[str, set[str]] = defaultdict(set)
        self._changed = asyncio.Condition()
        self.pods: dict[Gang, Counter[str]] = defaultdict(Counter)
        self.last: dict[tuple[Gang, str], float] = {}
        self.tables: dict[Gang, float] = {}
        self.statuses: dict[str, dict[str, float]] = defaultdict(dict)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to watch, from now on."""
        for path, note in (
            (POD.path(NAMESPACE), self._note_pod),
            (CONFIG_MAP.path(NAMESPACE), self._note_table),
            (JOB.path(NAMESPACE), self._note_job),
        ):
            _, version = await self._client.list_all(path, dict)
            self._tasks.append(asyncio.create_task(self._follow(path, version, note)))

    async def stop(self) -> None:
        """End the watches."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def until(self, what: str, holds: Callable[[], bool], deadline_s: float = 900) -> None:
        """Wait until something holds of what was seen.

        Raises:
            AssertionError: it does not within the deadline, or a watch ended.
        """
        ends = time.monotonic() + deadline_s
        while not holds():
            ended = [t for t in self._tasks if t.done()]
            if ended or time.monotonic() > ends:
                why = ended[0].exception() if ended else f"not within {deadline_s:g} s"
                some = dict(list(self.pods.items())[-SHOWN:])
                raise AssertionError(f"{what}: {why}; pods of the newest gangs: {some}")
            await asyncio.sleep(0.01)

    async def until_pods(self, gang: Gang, state: str, count: int) -> float:
        """Wait until so many pods of a gang were seen in a state; return when."""
        await self.until(
            f"{count} pods of {gang} {state}", lambda: self.pods[gang][state] >= count
        )
        return self.last[gang, state]

    async def until_table(self, gang: Gang) -> float:
        """Wait for a gang's completed table; return when it was seen."""
        await self.until(f"the table of {gang}", lambda: gang in self.tables)
        return self.tables[gang]

    async def _follow(
        self, path: str, version: str, note: Callable[[str, dict[str, Any], float], None]
    ) -> None:
        while True:
            async for event in self._client.watch(path, "", version):
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    note(event["type"], event["object"], time.monotonic())

    def _note_pod(self, event: str, pod: dict[str, Any], now: float) -> None:
        metadata = pod["metadata"]
        labels = metadata.get("labels") or {}
        gang = (labels.get(JOB_NAME_LABEL, ""), int(labels.get(ATTEMPT_LABEL) or 0))
        annotations = metadata.get("annotations") or {}
        states = {"created"}
        states |= {"annotated"} if CONFIGURATION in annotations else set()
        states |= {"nudged"} if RANK_TABLE_ANNOTATION in annotations else set()
        states |= {"gone"} if event == "DELETED" else set()
        for state in states - self._seen[metadata["uid"]]:
            self.pods[gang][state] += 1
            self.last[gang, state] = now
        self._seen[metadata["uid"]] |= states
        self._on_pod(event, pod)

    def _note_table(self, _: str, config_map: dict[str, Any], now: float) -> None:
        labels = config_map["metadata"].get("labels") or {}
        table = (config_map.get("data") or {}).get("hccl.json", "")
        if JOB_NAME_LABEL in labels and '"completed"' in table[:64] + table[-64:]:
            gang = labels[JOB_NAME_LABEL], int(labels[ATTEMPT_LABEL])
            self.tables.setdefault(gang, now)

    def _note_job(self, _: str, job: dict[str, Any], now: float) -> None:
        status = job.get("status") or {}
        seen = self.statuses[job["metadata"]["name"]]
        if status.get("rankTable"):
            seen.setdefault("table", now)
        if int(status.get("attempt") or 0) > 1:
            seen.setdefault("restarted", now)
        seen.setdefault(status.get("phase") or "Pending", now)
