"""Ask the trainer of rank 0 how far it is.

Best effort: where the pod network cannot be reached the job runs all the same,
without progress in its status.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

import aiohttp

from efficientnet_operator.core.config_maps import ConfigMapView
from efficientnet_operator.core.identity import HTTP_PORT
from efficientnet_operator.core.progress import parse_progress
from efficientnet_operator.kube.queue import Key

log = logging.getLogger(__name__)

TIMEOUT = aiohttp.ClientTimeout(total=3)
AT_ONCE = 32


class ProgressPoller:
    """Requests to trainers, a bounded number at once; start it inside the event loop."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(timeout=TIMEOUT)
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def poll(self, key: Key, config_map: ConfigMapView) -> Mapping[str, Any] | None:
        """Return rank 0's entry of ``/progress``; None where it does not answer."""
        address = find_rank_0(config_map.peers)
        if address is None:
            return None
        host = f"[{address}]" if ":" in address else address
        try:
            async with (
                self._slots,
                self._session.get(f"http://{host}:{HTTP_PORT}/progress") as response,
            ):
                return parse_progress(await response.json(content_type=None))
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            log.debug("no progress from %s/%s at %s: %r", *key, address, error)
            return None


def find_rank_0(peers: str) -> str | None:
    """Return the address of the first peer; only its entry is read, of thousands."""
    try:
        first, _ = json.JSONDecoder().raw_decode(peers, peers.index("{"))
    except ValueError:
        return None
    address = first.get("podIP")
    return address if isinstance(address, str) and address else None
