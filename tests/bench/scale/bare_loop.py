"""The floor: store a gang's pods as fast as the API server takes them, and delete them again.

A process of its own, as the operator is. It reads its orders from standard
input, one JSON to a line, and answers each when it is done:

    {"create": [FILES]}   create the pods that files hold, 64 requests in flight
    {"delete": [NAMES]}   delete pods, 64 requests in flight
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from efficientnet_operator.core.resources import POD
from efficientnet_operator.kube.client import KubeClient

from scale.observer import NAMESPACE

AT_ONCE = 64
T = TypeVar("T")


async def for_all(items: Sequence[T], call: Callable[[T], Awaitable[object]]) -> None:
    """Call for each item, 64 at once."""
    left = iter(items)

    async def work() -> None:
        for item in left:
            await call(item)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def obey(client: KubeClient, order: dict[str, Any]) -> None:
    """Carry out one order."""
    pods = POD.path(NAMESPACE)
    if "create" in order:
        documents = [pod for file in order["create"] for pod in json.loads(Path(file).read_text())]
        await for_all(documents, lambda pod: client.create(pods, pod))
    else:
        options = {"gracePeriodSeconds": 5}
        await for_all(order["delete"], lambda name: client.delete(f"{pods}/{name}", options))


async def main(kubeconfig: str) -> None:
    """Obey until standard input ends."""
    client = await KubeClient.connect(kubeconfig)
    print("ready", flush=True)
    for line in sys.stdin:
        await obey(client, json.loads(line))
        print("done", flush=True)
    await client.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
