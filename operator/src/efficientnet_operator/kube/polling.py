"""Ask trainers how far they are.

Best effort: where the pod network cannot be reached the job runs all the same,
without progress in its status.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from efficientnet_operator.core.config_maps import ConfigMapView
from efficientnet_operator.core.identity import HTTP_PORT, Key
from efficientnet_operator.core.progress import RankReport, parse_progress

log = logging.getLogger(__name__)

TIMEOUT = aiohttp.ClientTimeout(total=3)
AT_ONCE = 32
SURVEY_AT_ONCE = 256
ANSWER_BYTES = 64 * 1024
"""What an answer may have: eight ranks take 3 KB."""


class ProgressPoller:
    """Requests to trainers, a bounded number at once; start it inside the event loop."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(timeout=TIMEOUT, auto_decompress=False)
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._survey_slots = asyncio.Semaphore(SURVEY_AT_ONCE)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def poll(self, key: Key, config_map: ConfigMapView) -> RankReport | None:
        """Return rank 0's report; None where it does not answer."""
        peer = find_rank_0(config_map.peers)
        if peer is None:
            return None
        async with self._slots:
            reports = await self._ask(key, *peer)
        return next((r for r in reports if r.rank == 0), None)

    async def survey(self, key: Key, config_map: ConfigMapView) -> tuple[RankReport, ...]:
        """Return the reports of all ranks that answer."""

        async def ask(pod: str, address: str) -> list[RankReport]:
            async with self._survey_slots:
                return await self._ask(key, pod, address)

        pods = find_pods(config_map.peers)
        answers = await asyncio.gather(*(ask(pod, address) for pod, address in pods.items()))
        return tuple(report for reports in answers for report in reports)

    async def _ask(self, key: Key, pod: str, address: str) -> list[RankReport]:
        host = f"[{address}]" if ":" in address else address
        try:
            # The pod is its owner's: it must not send us elsewhere, nor fill our memory.
            url = f"http://{host}:{HTTP_PORT}/progress"
            async with self._session.get(url, allow_redirects=False) as response:
                document = json.loads(await read_limited(response.content))
                return parse_progress(document, pod, _answered_at(response.headers.get("Date")))
        except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError) as error:
            log.debug("no progress from %s/%s at %s: %r", *key, address, error)
            return []


async def read_limited(stream: aiohttp.StreamReader, limit: int = ANSWER_BYTES) -> bytes:
    """Return a whole answer.

    Raises:
        ValueError: it is longer than ``limit`` bytes.
    """
    body = bytearray()
    async for chunk in stream.iter_any():
        body += chunk
        if len(body) > limit:
            raise ValueError(f"the answer is longer than {limit} bytes")
    return bytes(body)


def _answered_at(date: str | None) -> float:
    """Return the answering server's own time: the entries' times are by that clock."""
    try:
        return parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return time.time()


def find_rank_0(peers: str) -> tuple[str, str] | None:
    """Return pod and address of the first peer; only its entry is read, of thousands."""
    try:
        first, _ = json.JSONDecoder().raw_decode(peers, peers.index("{"))
    except ValueError:
        return None
    return _pod_and_address(first)


def find_pods(peers: str) -> dict[str, str]:
    """Return each pod's address; a pod of several ranks stands there once."""
    try:
        entries = json.loads(peers)
    except ValueError:
        return {}
    found = (_pod_and_address(e) for e in entries if isinstance(e, dict))
    return dict(pair for pair in found if pair)


def _pod_and_address(peer: Mapping[str, Any]) -> tuple[str, str] | None:
    pod, address = peer.get("pod"), peer.get("podIP")
    if isinstance(pod, str) and isinstance(address, str) and address:
        return pod, address
    return None
