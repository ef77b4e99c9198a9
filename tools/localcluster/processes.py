"""Start daemons that outlive the command, and never signal somebody else's.

A process is known by its pid, its start time and the machine's boot: a pid
that was reused has another start time.  Each daemon has one small file in a
folder, so that no lock is needed and a killed command loses nothing.
"""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from localcluster.errors import ClusterError

# What a daemon inherits: no proxy settings, no virtual environment of whoever started it.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# proc(5) counts from 1; the first two are cut off with the name.
_THREADS_FIELD = 20 - 3
_START_TIME_FIELD = 22 - 3


@dataclass(frozen=True)
class Identity:
    """One process of one boot: `started` is in clock ticks since that boot."""

    pid: int
    started: int
    boot: str


def boot_id() -> str:
    """Return the identifier of this boot of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def identify(pid: int) -> Identity | None:
    """Return the identity of a running process, None if there is none (or a zombie)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may itself hold spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    # A zombie's threads may still be on their way out, and hold its sockets until then.
    if fields[0] in "ZX" and int(fields[_THREADS_FIELD]) <= 1:
        return None
    return Identity(pid, int(fields[_START_TIME_FIELD]), boot_id())


def is_alive(identity: Identity) -> bool:
    """Tell whether exactly this process still runs."""
    return identify(identity.pid) == identity


def command_of(identity: Identity) -> str:
    """Return the name of the program that a process runs now, empty once it has ended."""
    try:
        return Path(f"/proc/{identity.pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def kill(identities: Iterable[Identity], timeout_s: float = 10.0) -> None:
    """Kill processes hard and wait until they are gone.

    Hard, because an API server takes a minute to stop gracefully and nothing
    of a local cluster is worth that wait.

    Raises:
        ClusterError: one does not die, which means it hangs in the kernel.
    """
    waiting = [identity for identity in identities if _signal(identity)]
    deadline = time.monotonic() + timeout_s
    while waiting:
        for identity in waiting:
            _reap(identity.pid)
        waiting = [identity for identity in waiting if is_alive(identity)]
        if waiting and time.monotonic() > deadline:
            pids = ", ".join(str(identity.pid) for identity in waiting)
            raise ClusterError(
                f"processes {pids} did not die within {timeout_s:.0f} s of SIGKILL; "
                "they hang in the kernel (see /proc/PID/stack), reboot if they stay"
            )
        time.sleep(0.01)


def _signal(identity: Identity) -> bool:
    # The descriptor pins the process, so that the check and the signal meet the same one.
    try:
        descriptor = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return False
    try:
        if not is_alive(identity):
            _reap(identity.pid)
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)


def _reap(pid: int) -> None:
    # Only our own children can be reaped; a daemon of an earlier command is init's.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


class ProcessTable:
    """The daemons of one cluster: a file each in `folder`, a log each in `logs`."""

    def __init__(self, folder: Path, logs: Path) -> None:
        self.folder = folder
        self.logs = logs

    def start(
        self,
        name: str,
        argv: Sequence[str | Path],
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> Identity:
        """Start a daemon in a session of its own, its output appended to its log.

        Args:
            name: its name in this table; a running daemon of that name is left
                alone and returned.
            argv: program and arguments.
            env: variables besides PATH and HOME; nothing else is inherited.
            log: where the output goes; `logs`/`name`.log by default.
        """
        running = self.get(name)
        if running:
            return running
        log = log or self.log(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        pid = os.posix_spawnp(
            str(argv[0]),
            [str(word) for word in argv],
            {"PATH": _PATH, "HOME": str(Path.home()), **(env or {})},
            setsid=True,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
        )
        identity = identify(pid)
        if identity is None:
            _reap(pid)
            raise ClusterError(f"{name} ended at once\n{tail(log)}")
        self._record(name, identity)
        return identity

    def record_self(self, name: str) -> None:
        """Record this very process, so that others can tell whether it still lives."""
        identity = identify(os.getpid())
        if identity:
            self._record(name, identity)

    def get(self, name: str) -> Identity | None:
        """Return the identity of a daemon that runs, else None."""
        try:
            record = json.loads((self.folder / f"{name}.json").read_text())
        except FileNotFoundError:
            return None
        identity = Identity(**record)
        return identity if is_alive(identity) else None

    def is_recorded(self, name: str) -> bool:
        """Tell whether a daemon was started and not stopped; it may have died since."""
        return (self.folder / f"{name}.json").exists()

    def names(self) -> list[str]:
        """Return every recorded daemon, alive or not."""
        return sorted(path.stem for path in self.folder.glob("[!.]*.json"))

    def log(self, name: str) -> Path:
        """Return the path of a daemon's usual log."""
        return self.logs / f"{name}.log"

    def stop(self, *names: str) -> None:
        """Kill daemons hard, wait for their end and forget them."""
        kill(identity for name in names if (identity := self.get(name)))
        for name in names:
            (self.folder / f"{name}.json").unlink(missing_ok=True)

    def wait_until(
        self, what: str, ready: Callable[[], bool], needs: Sequence[str], timeout_s: float = 120.0
    ) -> None:
        """Poll until something is ready, and stop at once when a daemon it needs has died.

        Raises:
            ClusterError: a needed daemon ended or the time is over; the
                message names its log and shows that log's last errors.
        """
        deadline = time.monotonic() + timeout_s
        while not ready():
            for name in needs:
                if self.get(name) is None:
                    raise ClusterError(f"{what}: {name} has ended\n{tail(self.log(name))}")
            if time.monotonic() > deadline:
                logs = "\n".join(tail(self.log(name), lines=3) for name in needs)
                raise ClusterError(f"{what}: not ready after {timeout_s:.0f} s\n{logs}")
            time.sleep(0.05)

    def _record(self, name: str, identity: Identity) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f".{name}.json"
        partial.write_text(json.dumps(asdict(identity)))
        partial.rename(self.folder / f"{name}.json")


def tail(log: Path, lines: int = 12) -> str:
    """Return the last errors of a log, or its last lines if it has none, under its path."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 65536))
            recent = stream.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return f"(no log at {log})"
    errors = [line for line in recent if _is_error(line)]
    shown = (errors or recent)[-lines:]
    return "\n".join([f"last lines of {log}:", *(f"  {line[:400]}" for line in shown)])


def _is_error(line: str) -> bool:
    # klog starts a line with E or F and the date; containerd and etcd write a level.
    klog = line[:1] in {"E", "F"} and line[1:5].isdigit()
    return klog or "level=error" in line or "level=fatal" in line or '"fatal"' in line
