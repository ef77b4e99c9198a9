"""Say what this machine lacks for a cluster, before anything is built or changed.

Standard library only and valid on Python 3.9: it runs by any interpreter
before the project's own environment exists.  What can be tried is tried (in
namespaces of its own, which vanish with the probe, and in a control group that
it removes) rather than guessed.
"""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from localcluster.errors import ClusterError
from localcluster.hierarchies import find_hierarchies, find_refusal

# Debian's names; a command first, then the package that brings it.
COMMANDS = {
    "ip": "iproute2",
    "nft": "nftables",
    "iptables": "iptables",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "runc": "runc",
    "buildah": "buildah",
}
CNI_FOLDER = Path("/usr/lib/cni")
CNI_PLUGINS = ("bridge", "host-local", "loopback", "portmap")
_CONTROLLERS_V1 = {"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids"}
_CONTROLLERS_V2 = {"cpu", "cpuset", "memory", "pids"}
_GO_WANTED = (1, 26)

# Everything that a cluster does to the kernel, once, in namespaces that die with the shell.
_PROBE = """
set -e
ip link add probe0 type bridge
ip link add probe1 type veth peer name probe2
ip link set probe1 master probe0
nft add table ip probe
mount -t tmpfs probe /mnt
mkdir /mnt/lower /mnt/upper /mnt/work /mnt/all
mount -t overlay -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work probe /mnt/all
"""


def find_problems() -> "list[str]":
    """Return what is missing and the way out, a line each; empty when a cluster can run."""
    for check in (_system, _root):
        problems = check()
        if problems:
            return problems  # nothing below can be told without these
    checks: list[Callable[[], list[str]]] = [_commands, _cni, _cgroups, _go, _memory]
    problems = [problem for check in checks for problem in check()]
    return problems or _probe() + _probe_cgroups()


def require() -> None:
    """Return if a cluster can run here.

    Raises:
        ClusterError: it can not; the message lists every problem.
    """
    _refuse(find_problems())


def require_root() -> None:
    """Return if this process may look after clusters, whatever the machine lacks for new ones.

    Raises:
        ClusterError: it may not.
    """
    _refuse(_system() or _root())


def _refuse(problems: "list[str]") -> None:
    if problems:
        raise ClusterError("this machine can not run a cluster:\n  " + "\n  ".join(problems))


def _system() -> "list[str]":
    if platform.system() == "Linux":
        return []
    return [f"the system is {platform.system()}, wanted Linux; use a Linux (virtual) machine"]


def _root() -> "list[str]":
    if os.geteuid() != 0:
        return [f"user id is {os.geteuid()}, wanted 0 (root); run the same command by sudo"]
    effective = int(re.findall(r"CapEff:\s*(\w+)", Path("/proc/self/status").read_text())[0], 16)
    wanted = {"CAP_SYS_ADMIN": 21, "CAP_NET_ADMIN": 12, "CAP_SYS_PTRACE": 19, "CAP_MKNOD": 27}
    missing = [name for name, bit in wanted.items() if not effective >> bit & 1]
    if not missing:
        return []
    return [
        f"root without {', '.join(missing)}; if this is a container, "
        "run it with --privileged, or use the machine itself"
    ]


def _commands() -> "list[str]":
    # `su` without `-` keeps the user's PATH, in which root's commands are missing.
    if "/usr/sbin" not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"
    missing = [command for command in COMMANDS if not shutil.which(command)]
    if not missing:
        return []
    packages = " ".join(sorted({COMMANDS[command] for command in missing}))
    return [f"commands {', '.join(missing)} are missing; apt-get install {packages}"]


def _cni() -> "list[str]":
    missing = [plugin for plugin in CNI_PLUGINS if not (CNI_FOLDER / plugin).exists()]
    if not missing:
        return []
    return [
        f"{CNI_FOLDER} lacks {', '.join(missing)}; apt-get install containernetworking-plugins"
    ]


def _cgroups() -> "list[str]":
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    old = {option for fields in mounts if fields[2] == "cgroup" for option in fields[3].split(",")}
    new = [Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"]
    if old & _CONTROLLERS_V1:
        missing, version = _CONTROLLERS_V1 - old, 1
    elif new:
        offered = set((new[0] / "cgroup.controllers").read_text().split())
        missing, version = _CONTROLLERS_V2 - offered, 2
    else:
        return ["no control groups are mounted; mount cgroup2 at /sys/fs/cgroup"]
    if not missing:
        return []
    return [
        f"control groups (version {version}) lack {', '.join(sorted(missing))}; "
        "enable them on the kernel's command line"
    ]


def _go() -> "list[str]":
    way_out = "run `make setup`, or install it from https://go.dev/dl and put it on the PATH"
    if not shutil.which("go"):
        return [f"the Go toolchain is missing, wanted 1.26 or newer; {way_out}"]
    said = subprocess.run(["go", "version"], capture_output=True, text=True).stdout
    found = re.search(r"go(\d+)\.(\d+)", said)
    if found and (int(found[1]), int(found[2])) >= _GO_WANTED:
        return []
    return [f"`go version` says {said.strip()!r}, wanted 1.26 or newer; {way_out}"]


def _memory() -> "list[str]":
    free_kib = int(re.findall(r"MemAvailable:\s*(\d+)", Path("/proc/meminfo").read_text())[0])
    wanted_mib = 2048
    if free_kib >= wanted_mib * 1024:
        return []
    return [f"{free_kib // 1024} MiB of memory are available, a cluster needs {wanted_mib}"]


def _probe() -> "list[str]":
    probe = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", _PROBE]
    tried = subprocess.run(probe, capture_output=True, text=True)
    if tried.returncode == 0:
        return []
    return [
        f"the kernel refused a bridge, veth, nftables or overlay mount: {tried.stderr.strip()}; "
        "load the modules (modprobe bridge veth nf_tables overlay) or leave the container"
    ]


def _probe_cgroups() -> "list[str]":
    refusal = find_refusal(find_hierarchies(Path("/proc/mounts").read_text()))
    return [refusal] if refusal else []
