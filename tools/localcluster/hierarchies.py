"""Where control groups are mounted, what a cluster's are given, and whether any can be made.

Standard library only and valid on Python 3.9: ``check`` asks here before the
project's own environment exists; ``cgroups`` makes the groups of a cluster.
"""

import contextlib
import errno
import os
from dataclasses import dataclass
from pathlib import Path

from localcluster.errors import ClusterError

# What a kubelet and runc work with on version 2.  The kubelet refuses a root group that lacks
# one of the first five where the machine has it.
_DELEGATED = ("cpu", "cpuset", "memory", "hugetlb", "pids", "io")
_WAY_OUT = {
    errno.EROFS: (
        "it is mounted read-only; mount it writable, in a container by --privileged, "
        "or use the machine itself"
    ),
    errno.EBUSY: (
        "this group holds processes, so it is a container's and not the machine's; "
        "run the container with --privileged --cgroupns=host, or use the machine itself"
    ),
}
_OTHER_WAY_OUT = (
    "use the machine itself, or a container run with --privileged --cgroupns=host; "
    "root must be allowed to make control groups"
)


@dataclass(frozen=True)
class Hierarchies:
    """Where control groups are mounted.

    Attributes:
        roots: where groups are made: several places (version 1) or one (2).
        others: where a runtime may make some too: a version 2 mount beside
            version 1, which has no controllers.
        unified: whether `roots` is version 2.
    """

    roots: tuple[Path, ...]
    others: tuple[Path, ...]
    unified: bool

    @property
    def everywhere(self) -> tuple[Path, ...]:
        """Every mount that may hold a group of ours."""
        return self.roots + self.others


def find_hierarchies(mounts: str) -> Hierarchies:
    """Read the hierarchies from the text of /proc/mounts.

    Raises:
        ClusterError: nothing is mounted.
    """
    fields = [line.split() for line in mounts.splitlines()]
    old = tuple(dict.fromkeys(Path(field[1]) for field in fields if field[2] == "cgroup"))
    new = tuple(dict.fromkeys(Path(field[1]) for field in fields if field[2] == "cgroup2"))
    if old:
        return Hierarchies(old, others=new, unified=False)
    if new:
        return Hierarchies(new[:1], others=(), unified=True)
    raise ClusterError("no control groups are mounted; mount cgroup2 at /sys/fs/cgroup")


def build_subtree_control(offered: str) -> str:
    """Return what enables a cluster's controllers, from what the root offers."""
    return " ".join(f"+{name}" for name in _DELEGATED if name in offered.split())


def make_group(root: Path, group: str, *, unified: bool) -> None:
    """Make a group of one hierarchy and those above it; what exists is kept.

    Raises:
        OSError: the kernel refuses; `filename` says where.
    """
    wanted = build_subtree_control((root / "cgroup.controllers").read_text()) if unified else ""
    folder = root
    for part in group.split("/"):
        if wanted:
            _write(folder / "cgroup.subtree_control", wanted)
        folder = folder / part
        folder.mkdir(exist_ok=True)
        _fill_cpuset(folder)


def find_refusal(hierarchies: Hierarchies) -> "str | None":
    """Return why no group can be made, and the way out; None when one can.

    It makes a nested group in every hierarchy, as a cluster does, and removes
    it.  Controllers that this enables stay: a cluster may use them by now.
    """
    outer = f"enj-check-{os.getpid()}"
    for root in hierarchies.roots:
        try:
            make_group(root, f"{outer}/inner", unified=hierarchies.unified)
        except OSError as error:
            return describe_refusal(error)
        finally:
            for folder in (root / outer / "inner", root / outer):
                with contextlib.suppress(OSError):
                    folder.rmdir()
    return None


def describe_refusal(error: OSError) -> str:
    """Return one line: which file or folder, what the kernel said, and the way out."""
    way_out = _WAY_OUT.get(error.errno or 0, _OTHER_WAY_OUT)
    return f"control group {error.filename}: {error.strerror}; {way_out}"


def _write(file: Path, content: str) -> None:
    try:
        file.write_text(content)
    except OSError as error:  # of a failed write itself, Python does not say the file
        raise OSError(error.errno, error.strerror, str(file)) from error


def _fill_cpuset(folder: Path) -> None:
    # Version 1: a new cpuset is empty, and no process may enter it.
    for name in ("cpuset.cpus", "cpuset.mems"):
        file, above = folder / name, folder.parent / name
        if file.exists() and above.exists() and not file.read_text().strip():
            _write(file, above.read_text())
