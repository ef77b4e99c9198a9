"""The launcher's HTTP endpoints: health, readiness, progress and metrics.

They serve from the launcher's first second to its exit, so that a pod which waits for its
rank table can be told from one that hangs.  Each request asks the launcher's functions;
nothing is cached.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from prometheus_client import CONTENT_TYPE_LATEST

from efficientnet_trainer.metrics import render
from efficientnet_trainer.progress import CONTRACT_FIELDS, RankState

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


class Sources(NamedTuple):
    """Where the endpoints' answers come from."""

    pod: str
    attempt: int
    read_states: Callable[[], List[RankState]]
    unready_reason: Callable[[], Optional[str]]
    """None when the mounted files have all that a start needs, or ranks were started."""


Answer = Tuple[int, str, bytes]


def answer(path: str, sources: Sources) -> Answer:
    """Return status, content type and body for one path."""
    if path == "/healthz":
        return 200, TEXT, b"ok\n"
    if path == "/readyz":
        reason = sources.unready_reason()
        return (200, TEXT, b"ok\n") if reason is None else (503, TEXT, (reason + "\n").encode())
    if path == "/progress":
        return 200, JSON, json.dumps(describe_progress(sources)).encode()
    if path == "/metrics":
        return 200, CONTENT_TYPE_LATEST, render(sources.read_states)
    return 404, TEXT, b"try /healthz /readyz /progress /metrics\n"


def describe_progress(sources: Sources) -> Dict[str, Any]:
    """Return the body of ``/progress`` as the contract has it."""
    return {
        "pod": sources.pod,
        "attempt": sources.attempt,
        "ranks": [
            state.model_dump(by_alias=True, include=set(CONTRACT_FIELDS))
            for state in sources.read_states()
        ],
    }


def start_server(port: int, sources: Sources) -> ThreadingHTTPServer:
    """Serve on all addresses from a daemon thread; port 0 takes a free one."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, content_type, body = answer(self.path.partition("?")[0], sources)
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Keep probes and scrapes out of the training log."""

    server = ThreadingHTTPServer(("", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    return server
