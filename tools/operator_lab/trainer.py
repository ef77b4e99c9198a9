"""Answer ``/progress`` in the place of a trainer, whose pods on kwok run nothing."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from operator_lab.job import Job, Object

ADDRESS = f"127.66.{os.getpid() // 250 % 250}.{os.getpid() % 250 + 1}"
"""Linux answers on all of 127.0.0.0/8: a pod may have this one, whose port 8080 is free.

Another test run has another.
"""
PORT = 8080


@contextmanager
def serving_progress(progress: Callable[[], dict[str, Any]]) -> Iterator[None]:
    """Serve what ``progress`` returns, for the time of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer one request."""
            self.send_response(200 if self.path == "/progress" else 404)
            self.end_headers()
            self.wfile.write(json.dumps(progress()).encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((ADDRESS, PORT), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield
        finally:
            server.shutdown()


def take_address(job: Job, pod: Object) -> None:
    """Give a pod the address at which progress is served; before its table is published."""
    job.set_address(pod, ADDRESS)
