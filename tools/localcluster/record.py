"""What a cluster remembers between commands: its size, its boot, its owner."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from localcluster.errors import ClusterError
from localcluster.processes import Identity, boot_id

_FILE = "cluster.json"
DEFAULT_NODES = 2


@dataclass(frozen=True)
class Record:
    """The content of a cluster's cluster.json.

    Attributes:
        index: the index that it was made with.
        nodes: how many nodes it has.
        boot: the boot of the machine during which it was made.
        owner: the process that it belongs to, if it is to go with it.
    """

    index: int
    nodes: int
    boot: str
    owner: Identity | None = None


def read_record(folder: Path) -> Record | None:
    """Return what the cluster in a folder remembers, None if it never came that far."""
    try:
        content = json.loads((folder / _FILE).read_text())
    except FileNotFoundError:
        return None
    owner = content.pop("owner")
    return Record(**content, owner=Identity(**owner) if owner else None)


def write_record(folder: Path, record: Record) -> None:
    """Remember."""
    partial = folder / f".{_FILE}"
    partial.write_text(json.dumps(asdict(record)))
    partial.rename(folder / _FILE)


def is_outdated(record: Record, index: int) -> bool:
    """Tell whether a cluster must start anew: the machine was rebooted, or its index is gone.

    etcd runs without fsync, so that what a crash of the machine leaves of its
    data can not be trusted.
    """
    return record.boot != boot_id() or record.index != index


def choose_nodes(name: str, record: Record | None, wanted: int | None) -> int:
    """Return how many nodes the cluster is to have.

    Raises:
        ClusterError: fewer than it has, or none.
    """
    present = record.nodes if record else 0
    nodes = wanted or present or DEFAULT_NODES
    if wanted is not None and (wanted < 1 or wanted < present):
        raise ClusterError(
            f"cluster {name}: --nodes is {wanted}, wanted at least {max(present, 1)}; nodes are "
            f"not taken away, `python -m localcluster down --name {name}` first"
        )
    return nodes
