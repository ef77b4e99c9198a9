"""The operator as a process of its own, which can be killed and started again."""

import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from operator_lab.waiting import wait_until


class OperatorProcess:
    """One operator; at most one process at a time, all writing to the same log.

    Attributes:
        log: what it printed, over all its lives.
        pid: of the process that runs.
    """

    def __init__(self, kubeconfig: Path, log: Path, *flags: str) -> None:
        self.log = log
        self._flags = flags
        self._kubeconfig = kubeconfig
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def pid(self) -> int:
        """Process id.

        Raises:
            RuntimeError: it does not run.
        """
        if self._process is None:
            raise RuntimeError(f"the operator does not run; see {self.log}")
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it ended by itself since it was started."""
        return self._process is not None and self._process.poll() is not None

    def start(self) -> None:
        """Start it and wait until its caches are filled; does nothing where it runs."""
        if self._process is not None and not self.ended:
            return
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it and do not wait: it may lack something that it needs to become ready."""
        self._port = free_port()
        # A test run that is killed hard takes it along.
        command = ["setpriv", "--pdeathsig=KILL", sys.executable, "-m", "efficientnet_operator"]
        command += ["run", f"--kubeconfig={self._kubeconfig}", f"--port={self._port}"]
        command += self._flags
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def wait_ready(self) -> None:
        """Wait until its caches are filled."""
        wait_until("it answers /readyz", lambda: self.ready, state=self.log.read_text)

    def kill(self) -> None:
        """Kill it hard, as a lost node does."""
        self._end(subprocess.Popen.kill)

    def terminate(self) -> int | None:
        """Ask it to stop, as the kubelet does; return its exit code."""
        return self._end(subprocess.Popen.terminate)

    def fetch(self, path: str) -> str:
        """Return what it serves at a path such as /metrics.

        Raises:
            OSError: it does not answer, or with an error.
        """
        url = f"http://127.0.0.1:{self._port}{path}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()

    @property
    def ready(self) -> bool:
        """Whether its caches are filled.

        Raises:
            AssertionError: it has ended.
        """
        if self._process is not None and self._process.poll() is not None:
            raise AssertionError(f"the operator ended at once:\n{self.log.read_text()}")
        try:
            return self.fetch("/readyz") == "ok"
        except (OSError, urllib.error.URLError):
            return False

    def _end(self, signal: object) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        with process:
            signal(process)
            return process.wait(timeout=30)


def free_port() -> int:
    """Return a port of the loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
