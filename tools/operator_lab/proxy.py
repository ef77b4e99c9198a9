"""Stand between an operator and the API server, and do what networks and busy servers do.

An HTTP server in a thread of its own, which passes everything on, streams of
watches line by line, unless a test told it to do otherwise.
"""

import asyncio
import json
import re
import ssl
import threading
from base64 import b64decode
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web
from efficientnet_operator.streams import cut

BUFFER_BYTES = 2**21
NOT_PASSED_ON = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "content-encoding"}
)


@dataclass
class Fault:
    """What happens to requests instead of their answer.

    Attributes:
        pattern: searched in "METHOD path?query".
        status: the answer's status; 0 closes the connection without one.
        headers: of the answer.
        body: of the answer; None is a Status object as the API server's.
        times: how often; the next such request passes.
        sent: whether the API server gets the request all the same.
        met: how often it happened.
    """

    pattern: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    times: int = 1
    sent: bool = False
    met: int = 0

    def text(self) -> str:
        """Return the answer's body."""
        if self.body is not None:
            return self.body
        words = {"kind": "Status", "code": self.status, "reason": "ByTest", "message": "by a test"}
        return json.dumps(words)


class Proxy:
    """One proxy; use it in a `with` block.

    Args:
        kubeconfig: of the user whose requests are passed on.
        written: where the kubeconfig is put that leads through the proxy.

    Attributes:
        faults: what is to happen; the first that matches and is not used up does.
        away: close every connection at once, as a server that is gone.
        requests: "METHOD path?query" of all that came in.
    """

    def __init__(self, kubeconfig: Path, written: Path) -> None:
        content = yaml.safe_load(kubeconfig.read_text())
        cluster = content["clusters"][0]["cluster"]
        self._upstream = cluster["server"]
        self._tls = ssl.create_default_context(
            cadata=b64decode(cluster["certificate-authority-data"]).decode()
        )
        self._content = content
        self.kubeconfig = written
        self.faults: list[Fault] = []
        self.away = False
        self.requests: list[str] = []
        self._held: set[str] = set()
        self._watches: dict[web.StreamResponse, web.Request] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        """Start; then ``kubeconfig`` can be used."""
        self._thread.start()
        port = self._call(self._start())
        for cluster in self._content["clusters"]:
            cluster["cluster"] = {"server": f"http://127.0.0.1:{port}"}
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(yaml.safe_dump(self._content))
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def fail(self, pattern: str, status: int = 0, **details: Any) -> Fault:
        """Have requests fail from now on; return the fault, which counts them."""
        fault = Fault(pattern, status, **details)
        self.faults.append(fault)
        return fault

    def cut_watches(self) -> int:
        """Cut all open watches in the middle of a line; return how many there were."""
        return self._call(self._each_watch(b'{"type":"MODIFI', ends=True))

    def tell_watches(self, event: Mapping[str, Any], *, resource: str = "") -> int:
        """Put an event into all open watches, of one resource if it is named."""
        return self._call(self._each_watch(json.dumps(event).encode() + b"\n", resource))

    def leave(self, *, away: bool) -> None:
        """Be away, with all connections closed; or be back."""
        self.away = away
        if away:
            self._call(self._each_watch(b"", ends=True))

    def hold(self, *resources: str) -> None:
        """Keep back all watch events of these resources until ``release``."""
        self._held.update(resources)

    def release(self) -> None:
        """Let all that was kept back go."""
        self._held.clear()

    def _call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=30)

    async def _start(self) -> int:
        connector = TCPConnector(ssl=self._tls, limit=0)
        self._session = ClientSession(
            connector=connector, timeout=ClientTimeout(total=None), read_bufsize=BUFFER_BYTES
        )
        application = web.Application(client_max_size=16 * 2**20)
        application.router.add_route("*", "/{path:.*}", self._answer)
        # A watch ends towards the API server, too, when the operator has left it.
        self._runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        port: int = self._runner.addresses[0][1]
        return port

    async def _stop(self) -> None:
        await self._each_watch(b"", ends=True)
        await self._runner.cleanup()
        await self._session.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        line = f"{request.method} {request.path_qs}"
        self.requests.append(line)
        fault = next(
            (f for f in self.faults if f.met < f.times and re.search(f.pattern, line)), None
        )
        if fault:
            fault.met += 1
        if self.away or (fault and not fault.status and not fault.sent):
            return _close(request)
        if fault and not fault.sent:
            return web.Response(status=fault.status, headers=fault.headers, text=fault.text())
        try:
            return await self._pass_on(request, fault)
        except (ClientError, ConnectionError):
            return _close(request)

    async def _pass_on(self, request: web.Request, fault: Fault | None) -> web.StreamResponse:
        body = await request.read() or None
        headers = {k: v for k, v in request.headers.items() if k.lower() not in NOT_PASSED_ON}
        url = self._upstream + request.path_qs
        async with self._session.request(request.method, url, data=body, headers=headers) as got:
            if fault:
                await got.read()
                if not fault.status:
                    return _close(request)
                return web.Response(status=fault.status, headers=fault.headers, text=fault.text())
            passed = {k: v for k, v in got.headers.items() if k.lower() not in NOT_PASSED_ON}
            if request.query.get("watch") != "true":
                return web.Response(status=got.status, headers=passed, body=await got.read())
            answer = web.StreamResponse(status=got.status, headers=passed)
            await answer.prepare(request)
            self._watches[answer] = request
            try:
                async for line in got.content:
                    while _resource(request) in self._held:
                        await asyncio.sleep(0.05)
                    await answer.write(line)
            finally:
                del self._watches[answer]
                cut(got)
            return answer

    async def _each_watch(self, data: bytes, resource: str = "", *, ends: bool = False) -> int:
        chosen = [
            (answer, request)
            for answer, request in self._watches.items()
            if resource in {"", _resource(request)} and _is_open(request)
        ]
        for answer, request in chosen:
            if data:
                await answer.write(data)
            if ends:
                _close(request)
        return len(chosen)


def _close(request: web.Request) -> web.StreamResponse:
    """Close a connection as it stands."""
    if request.transport is not None:
        request.transport.close()
    return web.Response(status=502)


def _is_open(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()


def _resource(request: web.Request) -> str:
    return request.path.rstrip("/").rpartition("/")[2]
