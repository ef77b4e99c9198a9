"""Send requests from an event loop, over aiohttp; the same answers and errors as ``transport``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from http import HTTPStatus

import aiohttp

from efficientnet_operator.sdk.answers import Answer, explain_refusal
from efficientnet_operator.sdk.login import Login, open_access
from efficientnet_operator.sdk.requests import JSON, Request
from efficientnet_operator.sdk.transport import QUIET_S, TIMEOUT_S, encode_body, unreachable
from efficientnet_operator.streams import cut

LOST = (aiohttp.ClientError, TimeoutError, OSError)


class AioTransport:
    """Requests to one API server; make it inside the event loop, and close it there."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._session = aiohttp.ClientSession(trust_env=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def send(self, request: Request) -> Answer:
        """Send a request; return the answer, whatever it says.

        Raises:
            UnreachableError: there was none.
        """
        answer = await self._send(request)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            # A token may have expired since the login; a plugin that is asked may take a while.
            self._login = await asyncio.to_thread(open_access, self._login.access)
            answer = await self._send(request)
        return answer

    async def _send(self, request: Request) -> Answer:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with self._ask(request, timeout) as response:
                body = await response.read()
                return Answer(response.status, body, response.headers.get("Retry-After"))
        except LOST as error:
            raise unreachable(self._login, error) from error

    async def stream(
        self, request: Request, quiet_s: float | None = QUIET_S
    ) -> AsyncGenerator[bytes, None]:
        """Yield the lines of an answer as they come; see ``Transport.stream``."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT_S, sock_read=quiet_s)
        try:
            response = await self._ask(request, timeout)
            try:
                if response.status >= HTTPStatus.BAD_REQUEST:
                    answer = Answer(response.status, await response.read())
                    raise explain_refusal(request, answer)
                rest = b""
                # Line by line by hand: aiohttp refuses lines over 64 KB, and jobs are longer.
                async for chunk in response.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        yield line + b"\n"
                if rest:
                    yield rest
            finally:
                cut(response)
        except LOST as error:
            raise unreachable(self._login, error) from error

    def _ask(
        self, request: Request, timeout: aiohttp.ClientTimeout
    ) -> aiohttp.client._RequestContextManager:
        headers = {**self._login.headers, "Accept": JSON}
        body = encode_body(request)
        if body is not None:
            headers["Content-Type"] = request.content_type
        return self._session.request(
            request.method,
            self._login.server + request.target,
            data=body,
            headers=headers,
            ssl=True if self._login.tls is None else self._login.tls,
            proxy=self._login.proxy or None,
            timeout=timeout,
            allow_redirects=False,
        )
