"""Debian's Prometheus as a process of its own: what a query returns is its own word."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

START_S = 30


class Prometheus:
    """A Prometheus on loopback that scrapes some targets; a context manager.

    Args:
        folder: for its configuration, data and log.
        scrapes: its scrape_configs.
        every_ms: time between two scrapes of a target, and the longest that one may take.
    """

    def __init__(self, folder: Path, scrapes: Sequence[Mapping[str, Any]], every_ms: int = 500):
        self._folder = folder
        every = {"scrape_interval": f"{every_ms}ms", "scrape_timeout": f"{every_ms}ms"}
        configuration = {"global": every, "scrape_configs": list(scrapes)}
        (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        self._url = f"http://127.0.0.1:{_free_port()}"

    def __enter__(self) -> Prometheus:
        command = [
            "prometheus",
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={self._url.removeprefix('http://')}",
        ]
        self._log = (self._folder / "log").open("w")
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # Its data is thrown away: a graceful end would only write it to disk first.
        self._process.kill()
        self._process.wait()
        self._log.close()

    def _wait_until_ready(self) -> None:
        ends = time.monotonic() + START_S
        while True:
            try:
                urllib.request.urlopen(f"{self._url}/-/ready", timeout=5).close()  # noqa: S310
            except OSError as error:
                log = (self._folder / "log").read_text()
                if self._process.poll() is not None or time.monotonic() > ends:
                    raise RuntimeError(f"Prometheus does not start ({error}):\n{log}") from error
                time.sleep(0.05)
            else:
                return

    def _get(self, path: str, **parameters: str) -> Any:
        url = f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(f"{parameters}: {json.load(error)['error']}") from error

    def query(self, expr: str, at: float | None = None) -> list[tuple[dict[str, str], float]]:
        """Return the samples of an instant query: labels and value.

        Args:
            expr: the query.
            at: Unix seconds that it asks about; now without.

        Raises:
            ValueError: the query cannot be parsed or evaluated; with Prometheus's words.
        """
        when = {} if at is None else {"time": str(at)}
        result = self._get("query", query=expr, **when)["result"]
        return [(series["metric"], float(series["value"][1])) for series in result]

    def query_range(
        self, expr: str, begin: float, end: float, step_s: float
    ) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """Return the curves of a query: labels, and pairs of Unix seconds and value.

        Args:
            expr: the query.
            begin: first point, Unix seconds.
            end: of the last one.
            step_s: between points.

        Raises:
            ValueError: as for `query`.
        """
        span = {"start": str(begin), "end": str(end), "step": str(step_s)}
        result = self._get("query_range", query=expr, **span)["result"]
        return [
            (series["metric"], [(float(at), float(value)) for at, value in series["values"]])
            for series in result
        ]

    def label_values(self, metric: str, label: str) -> list[str]:
        """Return the values that a label has among the series of a metric."""
        values: list[str] = self._get(f"label/{label}/values", **{"match[]": metric})
        return values

    def wait_for_scrapes(self, count: int, targets: int, deadline_s: float = 30) -> None:
        """Return when each of so many targets was scraped so often."""
        ends = time.monotonic() + deadline_s
        seen: list[tuple[dict[str, str], float]] = []
        while time.monotonic() < ends:
            seen = self.query("sum_over_time(up[1m])")
            if len(seen) == targets and all(value >= count for _, value in seen):
                return
            time.sleep(0.1)
        raise TimeoutError(f"of {targets} targets these were scraped so often: {seen}")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
