"""Send requests over blocking connections, with nothing but the standard library.

One kept connection for short requests, one of its own for each stream. A request that is lost
on a kept connection before any answer is sent again, if to repeat it does no harm.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Self
from urllib.parse import urlsplit

from efficientnet_operator.sdk.answers import Answer, explain_refusal
from efficientnet_operator.sdk.errors import UnreachableError
from efficientnet_operator.sdk.login import Login, open_access
from efficientnet_operator.sdk.requests import JSON, Request

TIMEOUT_S = 30.0
IDLE_S = 15.0
"""A connection that rested for longer may have been closed by something on the way."""
QUIET_S = 90.0
"""A watch that says nothing for so long may be dead: mostly a bookmark comes each minute."""
LOST = (OSError, http.client.HTTPException)


class Transport:
    """Requests to one API server; usable by several threads at once."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._lock = threading.Lock()
        self._kept: http.client.HTTPConnection | None = None
        self._used = 0.0

    def close(self) -> None:
        """Close the kept connection."""
        with self._lock:
            self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, request: Request) -> Answer:
        """Send a request; return the answer, whatever it says.

        Raises:
            UnreachableError: there was none.
        """
        with self._lock:
            answer = self._send(request)
            if answer.status == HTTPStatus.UNAUTHORIZED:
                # A token may have expired since the login.
                self._login = open_access(self._login.access)
                self._drop()
                answer = self._send(request)
            return answer

    def stream(self, request: Request, quiet_s: float | None = QUIET_S) -> Iterator[bytes]:
        """Yield the lines of an answer as they come.

        Args:
            request: a watch, or a log.
            quiet_s: a stream that is silent for so long counts as lost; None never does.

        Raises:
            EnjError: the server refused it.
            UnreachableError: the connection was lost.
        """
        try:
            connection = self._connect()
            try:
                response = self._ask(connection, request)
                if response.status >= HTTPStatus.BAD_REQUEST:
                    raise explain_refusal(request, Answer(response.status, response.read()))
                if connection.sock:
                    connection.sock.settimeout(quiet_s)
                while line := response.readline():
                    yield line
            finally:
                connection.close()
        except LOST as error:
            raise self._unreachable(error) from error

    def _send(self, request: Request) -> Answer:
        if time.monotonic() - self._used > IDLE_S:
            self._drop()
        reused = self._kept is not None
        try:
            return self._exchange(request)
        except LOST as error:
            self._drop()
            # The server closes a connection that was idle; a create may have been done though.
            if not (reused and request.method == "GET"):
                raise self._unreachable(error) from error
        try:
            return self._exchange(request)
        except LOST as error:
            self._drop()
            raise self._unreachable(error) from error

    def _exchange(self, request: Request) -> Answer:
        if self._kept is None:
            self._kept = self._connect()
        response = self._ask(self._kept, request)
        answer = Answer(response.status, response.read(), response.getheader("Retry-After"))
        self._used = time.monotonic()
        return answer

    def _ask(
        self, connection: http.client.HTTPConnection, request: Request
    ) -> http.client.HTTPResponse:
        headers = {**self._login.headers, "Accept": JSON}
        body = encode_body(request)
        if body is not None:
            headers["Content-Type"] = request.content_type
        path = urlsplit(self._login.server).path + request.target
        connection.request(request.method, path, body, headers)
        return connection.getresponse()

    def _connect(self) -> http.client.HTTPConnection:
        server, proxy = urlsplit(self._login.server), urlsplit(self._login.proxy)
        ours = server.hostname or "", server.port or (443 if server.scheme == "https" else 80)
        first = (proxy.hostname, proxy.port or 80) if proxy.hostname else ours
        connection: http.client.HTTPConnection
        if self._login.tls is not None:
            connection = http.client.HTTPSConnection(
                *first, timeout=TIMEOUT_S, context=self._login.tls
            )
        else:
            connection = http.client.HTTPConnection(*first, timeout=TIMEOUT_S)
        if proxy.hostname:
            connection.set_tunnel(*ours)
        return connection

    def _drop(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _unreachable(self, error: Exception) -> UnreachableError:
        return unreachable(self._login, error)


def encode_body(request: Request) -> bytes | None:
    """Return a request's body as JSON; None where it has none."""
    return None if request.body is None else json.dumps(request.body).encode()


def unreachable(login: Login, error: Exception) -> UnreachableError:
    """Return the error for a connection that was lost, or never was."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return UnreachableError(
        f"the API server at {login.server} cannot be reached: {reason}; look at the network, or"
        " name another cluster with --context"
    )
