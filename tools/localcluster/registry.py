"""Hand out cluster indexes, machine-wide, so that no two clusters share a name or address.

State folders are each user's own; interfaces, control groups and subnets are
the machine's.  So the claims lie in /run, one file for each index, and change
only under a lock.  The mount points that clusters need in /var/lib are counted
here too: the last cluster removes those that a cluster made.
"""

import contextlib
import json
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from localcluster.links import host_routes
from localcluster.locks import exclusive
from localcluster.names import MAX_CLUSTERS, choose_index

_FOLDER = Path("/run/efficientnet-operator")
_LOCK = _FOLDER / "lock"

# Says of a mount point that a cluster made it; lies in it, to outlive a reboot.
_MARK = ".efficientnet-operator"

# A node's mount namespace puts its own folder over each of these; what is not
# there must be made on the file system that all nodes and the host share.
MOUNT_POINTS = (Path("/var/lib/kubelet"), Path("/var/lib/cni"))


@dataclass(frozen=True)
class Claim:
    """Which cluster holds an index."""

    index: int
    name: str
    folder: Path


def claims() -> list[Claim]:
    """Return the claims of all clusters on this machine, by index."""
    found = []
    for path in _FOLDER.glob("[0-9]*.json"):
        with contextlib.suppress(FileNotFoundError):  # released meanwhile
            content = json.loads(path.read_text())
            found.append(Claim(int(path.stem), content["name"], Path(content["folder"])))
    return sorted(found, key=lambda claim: claim.index)


def find_claim(name: str, folder: Path) -> Claim | None:
    """Return a cluster's claim; its folder tells it from another user's of the same name."""
    for claim in claims():
        if (claim.name, claim.folder) == (name, folder):
            return claim
    return None


def claim_index(name: str, folder: Path) -> Claim:
    """Return a cluster's claim, made on the first call with its folder and the mount points."""
    with exclusive(_LOCK):
        claim = find_claim(name, folder)
        if claim is None:
            _drop_stale_claims()
            taken = {claim.index for claim in claims()} | _interfaces()
            claim = Claim(choose_index(taken, _routes()), name, folder)
            content = {"name": name, "folder": str(folder)}
            partial = _FOLDER / f".{claim.index}.json"
            partial.write_text(json.dumps(content))
            partial.rename(_FOLDER / f"{claim.index}.json")
            folder.mkdir(parents=True, exist_ok=True)
        _make_mount_points()
        return claim


def release_index(name: str, folder: Path) -> None:
    """Give a cluster's index back; the last one takes the mount points along."""
    with exclusive(_LOCK):
        claim = find_claim(name, folder)
        if claim is not None:
            (_FOLDER / f"{claim.index}.json").unlink()
        if not claims():
            _remove_mount_points()


def _drop_stale_claims() -> None:
    # A state folder removed by hand; while the interface stands, so does the cluster.
    for claim in claims():
        if not claim.folder.exists() and claim.index not in _interfaces():
            (_FOLDER / f"{claim.index}.json").unlink()


def _make_mount_points() -> None:
    for path in MOUNT_POINTS:
        if not path.exists():
            path.mkdir(parents=True)
            (path / _MARK).touch()


def _remove_mount_points() -> None:
    for path in MOUNT_POINTS:
        if (path / _MARK).exists():
            (path / _MARK).unlink()
            # Somebody else's files may have come in since; then it stays.
            with contextlib.suppress(OSError):
                path.rmdir()


def _routes() -> list[IPv4Network]:
    destinations = [route["dst"] for route in json.loads(host_routes())]
    return [IPv4Network(dst) for dst in destinations if dst != "default"]


def _interfaces() -> set[int]:
    # A cluster whose claim was lost still holds its interface.
    names = {path.name for path in Path("/sys/class/net").iterdir()}
    return {index for index in range(MAX_CLUSTERS) if f"enj{index}" in names}
