"""Hold a Lease, so that of several operators one writes and the others are ready to."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Any

import aiohttp

from efficientnet_operator.core.lease import DURATION_S, Sight, build_lease, look, may_take
from efficientnet_operator.core.resources import LEASE
from efficientnet_operator.kube.client import CONFLICT, NOT_FOUND, ApiError, KubeClient

log = logging.getLogger(__name__)

RETRY_S = 1.0
RENEW_S = 2.0
GIVE_UP_S = 0.7 * DURATION_S
"""Without a renewal for so long the holder stops by itself, before anybody else can begin."""


class Elector:
    """One operator's bid for a Lease.

    Args:
        client: the connection.
        lease: namespace and name.
        identity: what this operator calls itself; no other may be called so.
    """

    def __init__(self, client: KubeClient, lease: tuple[str, str], identity: str):
        self._client = client
        self._namespace, self._name = lease
        self._path = LEASE.path(self._namespace)
        self._identity = identity
        self._sight: Sight | None = None
        self._held = False
        self._told = False  # that it cannot be taken: once is enough

    async def acquire(self) -> None:
        """Wait until the Lease is ours."""
        self._told = False
        while not await self._try():
            await asyncio.sleep(RETRY_S)
        self._held = True
        log.info("%s holds lease %s/%s", self._identity, self._namespace, self._name)

    async def hold(self) -> None:
        """Renew the Lease; return when it is lost."""
        renewed = time.monotonic()
        while time.monotonic() - renewed < GIVE_UP_S:
            await asyncio.sleep(RENEW_S)
            began = time.monotonic()
            try:
                async with asyncio.timeout(GIVE_UP_S - (began - renewed)):
                    if not await self._take():
                        break
                renewed = began
            except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                log.warning("lease %s was not renewed: %s", self._name, error or repr(error))
        self._held = False
        log.error("%s lost lease %s/%s", self._identity, self._namespace, self._name)

    async def release(self) -> None:
        """Give the Lease up, so that the next operator need not wait for its end."""
        if not self._held:
            return
        self._held = False
        try:
            lease = await self._read()
            if lease and lease["spec"].get("holderIdentity") == self._identity:
                await self._replace(lease, "")
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            log.warning("lease %s was not given up: %s", self._name, error or repr(error))

    async def _try(self) -> bool:
        try:
            return await self._take()
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            if not self._told:
                log.warning("lease %s cannot be taken yet: %s", self._name, error or repr(error))
            self._told = True
            return False

    async def _take(self) -> bool:
        """Create or renew the Lease; return whether it is ours now."""
        lease = await self._read()
        try:
            if lease is None:
                body = build_lease(self._namespace, self._name, self._identity, datetime.now(UTC))
                await self._client.create(self._path, body)
                return True
            clock = time.monotonic()
            self._sight = look(lease, self._sight, clock)
            if not may_take(lease, self._identity, self._sight, clock):
                return False
            await self._replace(lease, self._identity)
        except ApiError as error:
            if error.status == CONFLICT:  # somebody was faster
                return False
            raise
        return True

    async def _read(self) -> dict[str, Any] | None:
        try:
            return await self._client.get(f"{self._path}/{self._name}")
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def _replace(self, lease: dict[str, Any], holder: str) -> None:
        now = datetime.now(UTC)
        body = build_lease(self._namespace, self._name, holder, now, lease)
        await self._client.request("PUT", f"{self._path}/{self._name}", body=body)
