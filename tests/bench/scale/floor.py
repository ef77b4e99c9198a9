"""Run the bare loop beside the observer, and time what the operator is compared with."""

import asyncio
import json
import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from efficientnet_operator.api.spec import EfficientNetJob
from efficientnet_operator.core.identity import JobRef
from efficientnet_operator.core.pods import PodBuilder

from scale.observer import Gang, Observer


class BareLoop:
    """The bare loop's process; use it in an ``async with`` block."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self._command = [sys.executable, "-m", "scale.bare_loop", str(kubeconfig)]
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> "BareLoop":
        """Start it and wait until it is connected."""
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=pipe,
            stdout=pipe,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
        )
        await self._hear("ready")
        return self

    async def __aexit__(self, *_: object) -> None:
        """End it."""
        assert self._process
        self._process.kill()
        await self._process.wait()

    def prepare(self, gang: Gang, job: dict[str, Any]) -> Path:
        """Write the pods that the operator would make for a gang; return the file."""
        name, attempt = gang
        spec = EfficientNetJob.model_validate(job).spec
        # Pods of one job attract each other by its UID: floors of many jobs must not share one.
        ref = JobRef("default", name, str(uuid.uuid5(uuid.NAMESPACE_OID, name)))
        builder = PodBuilder(ref, spec, attempt)
        pods = [builder.build(index) for index in range(spec.replicas)]
        for pod in pods:
            # The garbage collector would remove what belongs to nobody.
            del pod["metadata"]["ownerReferences"]
        file = self._folder / f"{name}-{attempt}.json"
        file.write_text(json.dumps(pods))
        return file

    async def order(self, **order: Any) -> float:
        """Give an order and wait until it is carried out; return when it was given."""
        assert self._process and self._process.stdin
        began = time.monotonic()
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._hear("done")
        return began

    async def _hear(self, word: str) -> None:
        assert self._process and self._process.stdout
        said = (await self._process.stdout.readline()).decode().strip()
        if said != word:
            raise RuntimeError(f"the bare loop said {said!r}, not {word!r}: see above for why")


async def time_floor(loop: BareLoop, observer: Observer, job: dict[str, Any]) -> dict[str, float]:
    """Return the floor's seconds for one gang: created, annotated, replaced, deleted.

    Args:
        loop: the bare loop.
        observer: sees when the last annotation is there.
        job: the job whose pods are made.
    """
    name, count = job["metadata"]["name"], int(job["spec"]["npus"])
    first, second = (name, 1), (name, 2)
    files = {gang: loop.prepare(gang, job) for gang in (first, second)}
    names = {
        gang: [p["metadata"]["name"] for p in json.loads(file.read_text())]
        for gang, file in files.items()
    }
    seconds = {}
    began = await loop.order(create=[str(files[first])])
    seconds["pods created"] = await observer.until_pods(first, "created", count) - began
    seconds["table completed"] = await observer.until_pods(first, "annotated", count) - began

    began = await loop.order(delete=names[first])
    await observer.until_pods(first, "gone", count)
    await loop.order(create=[str(files[second])])
    seconds["gang restart"] = await observer.until_pods(second, "annotated", count) - began

    began = await loop.order(delete=names[second])
    seconds["deletion"] = await observer.until_pods(second, "gone", count) - began
    return seconds
