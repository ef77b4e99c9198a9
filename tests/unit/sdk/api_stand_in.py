"""Plays an API server for the clients: jobs, their children, watches and logs, over real HTTP.

What it answers has the form of a real server's answers, which tests/api holds the clients to.
"""

import json
import threading
import time
from collections import defaultdict
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from sdk_builders import peers

JOBS = "/apis/efficientnet.dev/v1alpha1/namespaces/team/efficientnetjobs"
PODS = "/api/v1/namespaces/team/pods"
MAPS = "/api/v1/namespaces/team/configmaps"
EVENTS = "/api/v1/namespaces/team/events"


class ApiStandIn(ThreadingHTTPServer):
    """Objects by path, and what is to go wrong.

    Attributes:
        objects: path to object; whoever changes a job tells the watches by ``store``.
        script: job's name to the statuses that its watches will see, one after the other.
        logs: pod's name to its lines, each with its time.
        refusals: method and start of path to (status, body) of the next answers.
        watch_refusals: (status, body) with which the next watches are refused.
        cut: watches end after so many events, as by a lost connection.
        requests: everything that was asked, as ``METHOD path?query``.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects = {}
        self.script = defaultdict(list)
        self.logs = {}
        self.refusals = defaultdict(list)
        self.watch_refusals = []
        self.cut = None
        self.headers = []
        self.requests = []
        self.history = []
        self.version = 1
        self.lock = threading.RLock()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def store(self, path, document, event="MODIFIED"):
        with self.lock:
            self.version += 1
            old = self.objects.get(path, {}).get("metadata", {})
            metadata = {
                "namespace": "team",
                "uid": old.get("uid") or f"uid-{self.version - 1}",
                "creationTimestamp": "2026-01-01T10:00:00Z",
                **document["metadata"],
                "resourceVersion": str(self.version),
            }
            stored = {**document, "metadata": metadata}
            self.objects[path] = stored
            self.history.append((self.version, event, path, stored))
            return stored

    def add_job(self, job):
        return self.store(f"{JOBS}/{job['metadata']['name']}", job, "ADDED")

    def set_status(self, name, status):
        self.store(f"{JOBS}/{name}", {**self.objects[f"{JOBS}/{name}"], "status": status})

    def remove(self, path):
        with self.lock:
            gone = self.objects.pop(path)
            self.version += 1
            self.history.append((self.version, "DELETED", path, gone))

    def add_gang(self, *pods, ranks=None, attempt=1):
        for pod in pods:
            self.objects[f"{PODS}/{pod['metadata']['name']}"] = pod
        if ranks is not None:
            self.add_table("b0", ranks, attempt)

    def add_table(self, job, pods, attempt=1):
        name = f"{job}-{attempt}-rank-table"
        files = peers(*pods, attempt=attempt, job=job)
        self.objects[f"{MAPS}/{name}"] = {"metadata": {"name": name, "namespace": "team"}, **files}

    @contextmanager
    def serve(self):
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: ApiStandIn

    def do_GET(self):
        path, query = self.begin()
        if path is None:
            return
        if query.get("watch") and self.server.watch_refusals:
            self.answer(*self.server.watch_refusals.pop(0))
        elif query.get("watch"):
            self.watch(path, query)
        elif path.endswith("/log"):
            self.log(path.split("/")[-2])
        elif path in self.server.objects:
            self.answer(200, self.server.objects[path])
        elif path in (JOBS, PODS, EVENTS, "/apis/efficientnet.dev/v1alpha1/efficientnetjobs"):
            below = f"{JOBS}/" if path.endswith("efficientnetjobs") else f"{path}/"
            items = [o for p, o in sorted(self.server.objects.items()) if p.startswith(below)]
            self.answer(200, {"items": items, "metadata": {}})
        else:
            self.not_found(path)

    def do_POST(self):
        path, query = self.begin()
        if path is None:
            return
        job = self.body()
        below = f"{path}/{job['metadata']['name']}"
        if below in self.server.objects:
            self.refuse(409, "AlreadyExists", "already exists")
        elif query.get("dryRun"):
            self.answer(201, job)
        else:
            self.answer(201, self.server.store(below, job, "ADDED"))

    def do_PATCH(self):
        path, _ = self.begin()
        if path is None:
            return
        job = self.server.objects.get(path)
        if job is None:
            self.not_found(path)
            return
        self.answer(200, self.server.store(path, merge(job, self.body())))

    def do_DELETE(self):
        path, _ = self.begin()
        if path is None:
            return
        self.body()
        if path not in self.server.objects:
            self.not_found(path)
            return
        self.server.remove(path)
        self.answer(200, {"kind": "Status", "status": "Success"})

    def begin(self):
        """Note a request; return its path and query, or (None, {}) where it was refused."""
        parts = urlsplit(self.path)
        self.server.requests.append(f"{self.command} {self.path}")
        self.server.headers.append(dict(self.headers))
        for (method, start), refusals in self.server.refusals.items():
            if self.command == method and parts.path.startswith(start) and refusals:
                self.body()
                status, body = refusals.pop(0)
                self.answer(status, body)
                return None, {}
        return parts.path, dict(parse_qsl(parts.query))

    def body(self):
        length = int(self.headers.get("Content-Length") or 0)
        return json.loads(self.rfile.read(length)) if length else {}

    def answer(self, status, body):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, code, reason, message, **details):
        self.answer(code, status(code, reason, message, **details))

    def not_found(self, path):
        *_, plural, name = path.split("/")
        self.refuse(404, "NotFound", f'{plural} "{name}" not found', kind=plural, name=name)

    def watch(self, path, query):
        wanted = query["fieldSelector"].removeprefix("metadata.name=")
        seen, end = int(query["resourceVersion"]), time.monotonic() + int(query["timeoutSeconds"])
        self.stream()
        sent = 0
        while time.monotonic() < end and sent != self.server.cut:
            with self.server.lock:
                due = [h for h in self.server.history if h[0] > seen]
                script = self.server.script[wanted]
                if not due and script and f"{path}/{wanted}" in self.server.objects:
                    step = script.pop(0)
                    if step is None:
                        self.server.remove(f"{path}/{wanted}")
                    else:
                        self.server.set_status(wanted, step)
                    continue
            for version, kind, where, document in due:
                seen = version
                if where == f"{path}/{wanted}":
                    self.chunk(json.dumps({"type": kind, "object": document}).encode() + b"\n")
                    sent += 1
            time.sleep(0.01)
        self.chunk(b"")

    def log(self, pod):
        if pod not in self.server.logs:
            self.not_found(f"pods/{pod}")
            return
        self.stream()
        for line in self.server.logs[pod]:
            self.chunk(line.encode() + b"\n")
        self.chunk(b"")

    def stream(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data):
        try:
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()
        except OSError:
            self.close_connection = True

    def handle(self):
        with suppress(OSError):  # the client went away, as clients do
            super().handle()

    def log_message(self, *_):
        """Say nothing."""


def status(code, reason, message, **details):
    """Return a Status object as an API server refuses with."""
    return {
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
        "details": details,
    }


def merge(old, patch):
    """Return a JSON merge patch applied."""
    merged = dict(old)
    for key, value in patch.items():
        if isinstance(value, dict):
            merged[key] = merge(merged.get(key) or {}, value)
        else:
            merged[key] = value
    return merged


def write_kubeconfig(path, url):
    """Write a kubeconfig for a server that speaks plain HTTP; return its path."""
    path.write_text(
        json.dumps(
            {
                "clusters": [{"name": "c", "cluster": {"server": url}}],
                "users": [{"name": "u", "user": {"token": "secret"}}],
                "contexts": [
                    {"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "team"}}
                ],
                "current-context": "x",
            }
        )
    )
    return path
