"""Every state that pods pass through, also of pods that are soon deleted.

A second process (`kubectl get --watch`) keeps up with the API server; a thread
of this one keeps what it prints, each state with the time of its arrival.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from localcluster.errors import ClusterError
from localcluster.kubectl import Kubectl

Pod = dict[str, Any]


class PodWatch:
    """The states of the pods that a label selector finds, from now until `close`."""

    def __init__(self, kubectl: Kubectl, selector: str) -> None:
        command = kubectl.argv("get", "pods", "-l", selector, "--watch", "-o", "json")
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._closed = False
        # (seconds since the epoch, pod), oldest first.
        self.seen: list[tuple[float, Pod]] = []
        lines = iter(self._process.stdout or ())
        self._reader = threading.Thread(target=self._read, args=(lines,), daemon=True)
        self._reader.start()

    def _read(self, lines: Iterator[str]) -> None:
        text = ""
        for line in lines:
            text += line
            if line == "}\n":  # an object ends at the first column
                self.seen.append((time.time(), json.loads(text)))
                text = ""

    def _states(self) -> list[tuple[float, Pod]]:
        if self._process.poll() is not None and not self._closed:
            raise ClusterError("the watch of pods ended by itself; kubectl's words stand above")
        return list(self.seen)

    def first_times(self, holds: Callable[[Pod], bool]) -> dict[str, float]:
        """Return when each pod first met a condition, by its name; others are left out.

        Raises:
            ClusterError: the watch ended by itself, so that states may be missing.
        """
        found: dict[str, float] = {}
        for at, pod in self._states():
            if holds(pod):
                found.setdefault(pod["metadata"]["name"], at)
        return found

    def ends(self) -> dict[str, tuple[int, str]]:
        """Return the exit code and termination message of each pod whose container has ended.

        Raises:
            ClusterError: the watch ended by itself, so that states may be missing.
        """
        found = {}
        for _, pod in self._states():
            for container in pod["status"].get("containerStatuses") or []:
                if ended := container["state"].get("terminated"):
                    name = pod["metadata"]["name"]
                    found[name] = (ended["exitCode"], ended.get("message", ""))
        return found

    def close(self) -> None:
        """Stop watching; what was seen stays."""
        self._closed = True
        self._process.terminate()
        self._reader.join()
        self._process.communicate()
