"""Read the files that the operator mounts: rank table, peers, the pod's annotations.

Pure: text in, values out.  The launcher polls ``parse_rank_files`` until the table is
whole, and the readiness probe asks the same question, so the two never disagree.
"""

import ast
import hashlib
import json
from typing import Any, Dict, List, NamedTuple, Tuple

from efficientnet_trainer.errors import TrainerError

RANK_TABLE_ANNOTATION = "efficientnet.dev/rank-table"
TABLE_FILE = "hccl.json"
PEERS_FILE = "peers.json"


class NotReadyError(TrainerError):
    """The files are not there yet, not complete, or older than the annotation."""


class Peer(NamedTuple):
    """Where one rank of the gang listens."""

    rank: int
    pod: str
    pod_ip: str
    """Empty until the pod has one, which may be later than its devices are known."""
    port: int


class RankFiles(NamedTuple):
    """A completed rank table and the peers that were published with it."""

    table_text: bytes
    table: Dict[str, Any]
    peers: Tuple[Peer, ...]


def parse_annotations(text: str) -> Dict[str, str]:
    """Parse the downward API's form: ``key="value"`` a line, values quoted as Go does.

    Go's escapes are a subset of Python's, so Python's own parser undoes them.  A line in
    another form is no annotation of ours and is passed over.
    """
    annotations = {}
    for line in text.splitlines():
        key, separator, quoted = line.partition("=")
        if not separator:
            continue
        try:
            value = ast.literal_eval(quoted)
        except (SyntaxError, ValueError):
            continue
        if isinstance(value, str):
            annotations[key] = value
    return annotations


def parse_rank_files(
    table_text: bytes, peers_text: bytes, annotations: Dict[str, str]
) -> RankFiles:
    """Return the published files.

    Raises:
        NotReadyError: says what is still missing.
    """
    table = _parse_json(TABLE_FILE, table_text)
    status = table.get("status") if isinstance(table, dict) else None
    if status != "completed":
        raise NotReadyError(f"{TABLE_FILE} has status {status!r}, not 'completed'")
    wanted = annotations.get(RANK_TABLE_ANNOTATION)
    if wanted is None:
        raise NotReadyError(f"the pod has no annotation {RANK_TABLE_ANNOTATION}")
    found = hashlib.sha256(table_text).hexdigest()
    if found != wanted:
        raise NotReadyError(
            f"the mounted {TABLE_FILE} has the hash {found[:12]}, "
            f"the annotation {RANK_TABLE_ANNOTATION} says {wanted[:12]}"
        )
    return RankFiles(table_text, table, _parse_peers(_parse_json(PEERS_FILE, peers_text)))


def check_addresses(files: RankFiles) -> None:
    """Check that every rank can be reached, which TensorFlow needs and HCCL does not.

    Raises:
        NotReadyError: names the first pod that has no address yet.
    """
    lacking = [peer.pod for peer in files.peers if not peer.pod_ip]
    if lacking:
        raise NotReadyError(
            f"{PEERS_FILE} has no address of {len(lacking)} of {len(files.peers)} ranks yet, "
            f"the first in pod {lacking[0]}"
        )


def _parse_json(name: str, text: bytes) -> Any:
    try:
        return json.loads(text.decode("utf-8"))
    except ValueError as error:
        raise NotReadyError(f"{name} is no JSON: {error}") from None


def _parse_peers(entries: List[Dict[str, Any]]) -> Tuple[Peer, ...]:
    try:
        peers = [
            Peer(int(entry["rank"]), entry["pod"], entry["podIP"], int(entry["port"]))
            for entry in entries
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise NotReadyError(f"{PEERS_FILE} has an unusable entry: {error!r}") from None
    return tuple(sorted(peers))
