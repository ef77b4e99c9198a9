"""Run one process per rank and decide which of their ends counts for the pod.

The launcher's loop: start, forward signals, watch.  The first failure ends the siblings,
for they would wait in a collective for ever.  Output is passed on line by line, marked
with the rank where a pod has several.
"""

import collections
import signal
import subprocess
import sys
import threading
import time
from typing import IO, Any, Deque, Dict, List, NamedTuple, Optional, Sequence

from efficientnet_trainer.termination import PERMANENT, STOPPED

POLL_S = 0.1
SIBLING_GRACE_S = 5.0
"""Between SIGTERM and SIGKILL for the siblings of a failed rank, which may hang."""

HARD_EXIT_MARGIN_S = 5.0
"""A rank that was asked to stop ends by itself within its grace; this is added to it."""


class Ending(NamedTuple):
    """How one rank's process ended."""

    rank: int
    exit_code: int
    signal_name: Optional[str]
    last_error_line: str


class Signals:
    """SIGTERM and SIGINT of this process, noted for the launcher's loops."""

    def __init__(self) -> None:
        """Install the handlers; main thread only."""
        self.received: Optional[int] = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: Any) -> None:
        self.received = number


class Child:
    """The process of one rank, with the threads that pass its output on."""

    def __init__(self, rank: int, command: Sequence[str], env: Dict[str, str], mark: bool) -> None:
        """Start it; ``mark`` puts ``[rank N] `` before each of its lines."""
        self.rank = rank
        self._prefix = f"[rank {rank}] ".encode() if mark else b""
        self._errors: Deque[str] = collections.deque(maxlen=20)
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and package
            list(command), env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._pumps = [
            self._start_pump(self._process.stdout, sys.stdout.buffer, keep=False),
            self._start_pump(self._process.stderr, sys.stderr.buffer, keep=True),
        ]

    def poll(self) -> Optional[int]:
        """Return the exit code as ``exit_code_of`` counts it, or None while it runs."""
        code = self._process.poll()
        return code if code is None else exit_code_of(code)

    def signal(self, number: int) -> None:
        """Send a signal unless it has ended."""
        if self._process.poll() is None:
            self._process.send_signal(number)

    def ending(self) -> Ending:
        """Say how it ended, once its output is passed on."""
        for pump in self._pumps:
            pump.join(timeout=2)
        code = self._process.wait()
        return Ending(
            rank=self.rank,
            exit_code=exit_code_of(code),
            signal_name=signal.Signals(-code).name if code < 0 else None,
            last_error_line=self._errors[-1] if self._errors else "",
        )

    def _start_pump(
        self, source: Optional[IO[bytes]], target: IO[bytes], keep: bool
    ) -> threading.Thread:
        def pump() -> None:
            for line in source or ():
                # One write per line: the lines of several ranks share the stream.
                target.write(self._prefix + line)
                target.flush()
                if keep and line.strip():
                    self._errors.append(line.decode("utf-8", "replace").strip())

        thread = threading.Thread(target=pump, daemon=True)
        thread.start()
        return thread


def exit_code_of(code: int) -> int:
    """Return the pod's exit code for a process's: 128 + N after signal N.

    SIGTERM ends a process outright only before it can listen, with nothing to save: 143.
    """
    return code if code >= 0 else 128 - code


def supervise(children: Sequence[Child], signals: Signals, stop_grace_s: float) -> Ending:
    """Wait for all ranks and return the ending that counts.

    That is the first failure (among failures seen at once a permanent one, then the lowest
    rank), or the lowest rank's success.
    """
    failed = _watch(children, signals, children)
    if failed is not None:
        # The others may have agreed to the same stop, and be saving: a signal more is no harm.
        was_stopped = failed.poll() == STOPPED or signals.received is not None
        for child in children:
            child.signal(signal.SIGTERM)
        grace_s = stop_grace_s + HARD_EXIT_MARGIN_S if was_stopped else SIBLING_GRACE_S
        _kill_after(children, grace_s)
    return (failed or min(children, key=lambda child: child.rank)).ending()


def _watch(
    children: Sequence[Child], signals: Signals, running: Sequence[Child]
) -> Optional[Child]:
    """Wait until one fails or all are done, forwarding a signal once; return the failed."""
    forwarded = False
    while running:
        if signals.received is not None and not forwarded:
            forwarded = True
            for child in children:
                child.signal(signals.received)
        ended = {child: child.poll() for child in running}
        failures = [child for child, code in ended.items() if code]
        if failures:
            return min(failures, key=lambda child: (ended[child] not in PERMANENT, child.rank))
        running = [child for child, code in ended.items() if code is None]
        time.sleep(POLL_S)
    return None


def _kill_after(children: Sequence[Child], grace_s: float) -> None:
    """Wait for all to end, and kill those that have not within the grace period."""
    deadline = time.monotonic() + grace_s
    running: List[Child] = list(children)
    while running and time.monotonic() < deadline:
        time.sleep(POLL_S)
        running = [child for child in running if child.poll() is None]
    for child in running:
        child.signal(signal.SIGKILL)
