"""Serve samples and lists of targets to a Prometheus: each path is made anew at each request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TEXT, JSON = "text/plain; version=0.0.4; charset=utf-8", "application/json"


@contextmanager
def exporting(pages: Mapping[str, Callable[[], bytes]]) -> Iterator[str]:
    """Serve pages on a free port of loopback; yield the address, such as 127.0.0.1:4711.

    Args:
        pages: path to what makes its text; that of a path that ends in .json is JSON.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = pages[self.path]()
            self.send_response(200)
            kind = JSON if self.path.endswith(".json") else TEXT
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
