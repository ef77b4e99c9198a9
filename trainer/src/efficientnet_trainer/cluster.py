"""Find out which ranks of the gang this pod runs, from what it was given.

Pure.  On Ascend the answer comes from the devices that the device plugin wrote on the pod
and is checked against the peers; without devices the peers alone say it.  A contradiction
stops the pod: a rank on the wrong device would hang the whole gang in its first collective.
``environment`` turns the answer into variables.
"""

import json
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

from efficientnet_trainer.rank_files import PEERS_FILE, TABLE_FILE, Peer, RankFiles
from efficientnet_trainer.termination import TransientError

CPU = "CPU"
CONFIGURATION_ANNOTATIONS = (
    "ascend.kubectl.kubernetes.io/ascend-910-configuration",
    "atlas.kubectl.kubernetes.io/ascend-910-configuration",
)
"""Key of the device plugin's allocation; the second is that of release 20.1."""


class ContradictionError(TransientError):
    """Rank table, peers, annotation and pod do not tell the same story."""


class Pod(NamedTuple):
    """Who this pod is."""

    name: str
    host_ip: str
    accelerator: str
    npus: Optional[int] = None
    """Ranks that the job asked for, where known."""


class OwnRank(NamedTuple):
    """One rank of this pod; without an accelerator it has no device."""

    rank: int
    device_id: Optional[str] = None
    pod_name: Optional[str] = None
    """The name under which a Legacy table lists the device: HCCL's identity there."""


class Gang(NamedTuple):
    """The gang as this pod sees it."""

    own: Tuple[OwnRank, ...]
    """In rank order; the index is the rank's place in the pod."""
    workers: Tuple[str, ...]
    """``podIP:port`` of each rank, by rank; without the address where HCCL forms the cluster."""


class TableDevice(NamedTuple):
    """One device of a rank table."""

    rank: int
    server_id: str
    device_id: str
    pod_name: Optional[str] = None


def find_gang(files: RankFiles, pod: Pod, annotations: Dict[str, str]) -> Gang:
    """Return this pod's ranks and every rank's address.

    Raises:
        ContradictionError: names what disagrees with what.
    """
    _check_dense(files.peers, pod)
    by_peers = tuple(peer.rank for peer in files.peers if peer.pod == pod.name)
    if not by_peers:
        raise ContradictionError(
            f"{PEERS_FILE} lists no rank of pod {pod.name}; it lists "
            f"{sorted({peer.pod for peer in files.peers})}"
        )
    workers = tuple(f"{peer.pod_ip}:{peer.port}" for peer in files.peers)
    if pod.accelerator == CPU:
        return Gang(tuple(OwnRank(rank) for rank in by_peers), workers)
    devices = parse_table(files.table)
    if len(devices) != len(files.peers):
        raise ContradictionError(
            f"{TABLE_FILE} has {len(devices)} devices, {PEERS_FILE} has {len(files.peers)} ranks"
        )
    own = _own_devices(devices, by_peers, pod, _parse_allocation(annotations))
    if tuple(device.rank for device in own) != by_peers:
        raise ContradictionError(
            f"pod {pod.name} holds the devices of ranks {[device.rank for device in own]} by "
            f"{TABLE_FILE}, but {PEERS_FILE} gives it ranks {list(by_peers)}"
        )
    return Gang(
        tuple(OwnRank(device.rank, device.device_id, device.pod_name) for device in own), workers
    )


def parse_table(table: Dict[str, Any]) -> Tuple[TableDevice, ...]:
    """Return the devices of a rank table of either form, by rank.

    A Legacy table carries no ranks: HCCL sorts by server_id as bytes, then by device id.
    """
    try:
        devices = _parse_legacy(table) if "group_list" in table else _parse_ranked(table)
    except (KeyError, TypeError, ValueError) as error:
        raise ContradictionError(
            f"{TABLE_FILE} has neither the form 1.0 nor the legacy one: {error!r}"
        ) from None
    return tuple(sorted(devices))


def _parse_ranked(table: Dict[str, Any]) -> List[TableDevice]:
    return [
        TableDevice(int(device["rank_id"]), server["server_id"], device["device_id"])
        for server in table["server_list"]
        for device in server["device"]
    ]


def _parse_legacy(table: Dict[str, Any]) -> List[TableDevice]:
    found = [
        (instance["server_id"], int(device["device_id"]), instance["pod_name"])
        for group in table["group_list"]
        for instance in group["instance_list"]
        for device in instance["devices"]
    ]
    found.sort(key=lambda entry: (entry[0].encode(), entry[1]))
    return [
        TableDevice(rank, server_id, str(device_id), pod_name)
        for rank, (server_id, device_id, pod_name) in enumerate(found)
    ]


def _check_dense(peers: Tuple[Peer, ...], pod: Pod) -> None:
    ranks = [peer.rank for peer in peers]
    if ranks != list(range(len(ranks))):
        raise ContradictionError(f"{PEERS_FILE} has ranks {ranks}, not 0..n-1")
    if pod.npus is not None and len(ranks) != pod.npus:
        raise ContradictionError(f"{PEERS_FILE} has {len(ranks)} ranks, the job has {pod.npus}")


def _parse_allocation(annotations: Dict[str, str]) -> Dict[str, Any]:
    for key in CONFIGURATION_ANNOTATIONS:
        if key not in annotations:
            continue
        try:
            allocation = json.loads(annotations[key])
            allocation["devices"] = [str(device["device_id"]) for device in allocation["devices"]]
        except (KeyError, TypeError, ValueError) as error:
            raise ContradictionError(
                f"the annotation {key} is unusable ({error!r}): {annotations[key]}"
            ) from None
        return dict(allocation)
    raise ContradictionError(
        f"the rank table is complete, but the pod has no annotation "
        f"{CONFIGURATION_ANNOTATIONS[0]}: was it allocated a device?"
    )


def _own_devices(
    devices: Iterable[TableDevice],
    by_peers: Tuple[int, ...],
    pod: Pod,
    allocation: Dict[str, Any],
) -> Tuple[TableDevice, ...]:
    """Return the table's entries of the devices in this container, by rank."""
    wanted = set(allocation["devices"])
    server_id = _own_server({device.server_id for device in devices}, pod, allocation)
    if server_id is None:
        # Servers are pod UIDs here and the plugin is one that does not write them.
        own = tuple(device for device in devices if device.rank in by_peers)
    else:
        own = tuple(
            device
            for device in devices
            if device.server_id == server_id and device.device_id in wanted
        )
    if {device.device_id for device in own} != wanted:
        raise ContradictionError(
            "pod {} was allocated devices {}, but {} lists {} for it on server {}".format(
                pod.name,
                sorted(wanted, key=int),
                TABLE_FILE,
                [device.device_id for device in own],
                server_id or "(unknown)",
            )
        )
    return own


def _own_server(servers: Set[str], pod: Pod, allocation: Dict[str, Any]) -> Optional[str]:
    """Return the server_id of this pod: its UID or its host's address, as the table groups."""
    for candidate in (allocation.get("server_id"), allocation.get("host_ip"), pod.host_ip):
        if candidate in servers:
            return str(candidate)
    return None
