"""The operator inside this process, so that a test can end it at any one of its requests.

What kopf does for the shipped one, which is to list and watch the jobs, a few
lines do here; all else is the operator's own.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
from efficientnet_operator.core.resources import JOB
from efficientnet_operator.kube.client import ApiError, KubeClient
from efficientnet_operator.kube.controller import Controller
from efficientnet_operator.settings import Settings

NO_PROGRESS_S = 3600.0
"""Nobody answers for progress here."""


@dataclass
class Fate:
    """Counts the writes of all operators of one namespace; one of them dies at a write.

    Attributes:
        kill_at: at which write, from 1; 0 is never.
        sent: whether that write still reaches the API server; its answer never comes back.
        writes: method and path of each.
        killed: whether it came to that.
    """

    kill_at: int = 0
    sent: bool = False
    writes: list[str] = field(default_factory=list)
    killed: bool = False


class MortalClient(KubeClient):
    """A client whose process may die: from then on it sends nothing and hears nothing."""

    fate: Fate
    died: asyncio.Event

    @classmethod
    async def of(cls, kubeconfig: Path, fate: Fate) -> Self:
        """Return one that lives."""
        client = await cls.connect(str(kubeconfig))
        client.fate, client.died = fate, asyncio.Event()
        return client

    async def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Send a request, unless it is not to be."""
        if self.died.is_set():
            return await self._never()
        if method != "GET":
            fate = self.fate
            fate.writes.append(f"{method} {path}")
            if len(fate.writes) == fate.kill_at:
                fate.killed = True
                self.died.set()
                if fate.sent:
                    await super().request(method, path, **options)
        answer: dict[str, Any] = {}
        if not self.died.is_set():
            answer = await super().request(method, path, **options)
        return await self._never() if self.died.is_set() else answer

    @staticmethod
    async def _never() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError


async def operate(kubeconfig: Path, namespace: str, fate: Fate) -> None:
    """Look after one namespace until cancelled; a dead operator is followed by a new one."""
    while True:
        client = await MortalClient.of(kubeconfig, fate)
        settings = Settings(namespaces=(namespace,), progress_interval_s=NO_PROGRESS_S)
        controller = Controller(client, settings)
        controller.start()
        jobs = asyncio.create_task(follow_jobs(client, namespace, controller.on_job))
        try:
            await client.died.wait()
        finally:
            # Only its memory is freed: where the client is dead nothing is written any more.
            client.died.set()
            jobs.cancel()
            await asyncio.gather(jobs, return_exceptions=True)
            await controller.stop()


async def follow_jobs(
    client: KubeClient, namespace: str, on_job: Callable[[str | None, dict[str, Any]], None]
) -> None:
    """List and watch jobs for ever."""
    while True:
        try:
            documents, version = await client.list_all(JOB.path(namespace), dict)
            for document in documents:
                on_job(None, document)
            async for event in client.watch(JOB.path(namespace), "", version):
                if event["type"] != "BOOKMARK":
                    on_job(event["type"], event["object"])
        except (ApiError, aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(0.1)
