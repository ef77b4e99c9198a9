"""Make, fill and remove a cluster's control groups, in every hierarchy there is.

All that a cluster runs lives below one control group, shims and containers
included.  So that group is also the list of what `down` has to kill.
"""

import contextlib
import errno
import time
from collections.abc import Iterable
from pathlib import Path

from localcluster.errors import ClusterError
from localcluster.hierarchies import describe_refusal, find_hierarchies, make_group
from localcluster.processes import identify, kill

# Moves itself into each named group, then becomes the command after `--`.
_JOIN = 'while [ "$1" != -- ]; do echo $$ > "$1"; shift; done; shift; exec "$@"'


class ControlGroups:
    """The control groups of this machine, addressed by a path below each hierarchy's root."""

    def __init__(self) -> None:
        self._hierarchies = find_hierarchies(Path("/proc/mounts").read_text())

    def make(self, group: str) -> None:
        """Make a group and those above it; what exists is kept.

        Raises:
            ClusterError: the kernel refuses.
        """
        for root in self._hierarchies.roots:
            try:
                make_group(root, group, unified=self._hierarchies.unified)
            except OSError as error:
                raise ClusterError(describe_refusal(error)) from error

    def joining(self, group: str) -> list[str]:
        """Return the start of a command line that runs the rest inside a group."""
        self.make(group)
        files = [str(root / group / "cgroup.procs") for root in self._hierarchies.roots]
        return ["sh", "-c", _JOIN, "sh", *files, "--"]

    def kill(self, group: str, timeout_s: float = 20.0) -> None:
        """Kill hard everything in a group and below, and what that still starts meanwhile.

        Raises:
            ClusterError: something does not die.
        """
        deadline = time.monotonic() + timeout_s
        while pids := self._pids(group):
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"control group {group}: processes {sorted(pids)} come back or do not die"
                )
            kill(identity for pid in pids if (identity := identify(pid)))
            time.sleep(0.01)  # a zombie stays listed until its parent has seen it

    def remove(self, group: str, timeout_s: float = 10.0) -> None:
        """Remove an empty group and those below.

        Raises:
            ClusterError: the kernel still counts processes in it.
        """
        for root in self._hierarchies.everywhere:
            for folder in _deepest_first(root / group):
                _remove_folder(folder, time.monotonic() + timeout_s)

    def exists(self, group: str) -> bool:
        """Tell whether any hierarchy has the group."""
        return any((root / group).exists() for root in self._hierarchies.everywhere)

    def _pids(self, group: str) -> set[int]:
        pids: set[int] = set()
        for root in self._hierarchies.everywhere:
            for folder in _deepest_first(root / group):
                with contextlib.suppress(FileNotFoundError, OSError):
                    pids.update(map(int, (folder / "cgroup.procs").read_text().split()))
        return pids


def _deepest_first(folder: Path) -> Iterable[Path]:
    if not folder.is_dir():
        return
    with contextlib.suppress(FileNotFoundError):
        for child in list(folder.iterdir()):
            if child.is_dir():
                yield from _deepest_first(child)
    yield folder


def _remove_folder(folder: Path, deadline: float) -> None:
    while True:
        try:
            folder.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError as error:
            # Dead processes leave their group a moment after they are gone.
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise ClusterError(
                    f"control group {folder} can not be removed: {error}"
                ) from error
            time.sleep(0.01)
