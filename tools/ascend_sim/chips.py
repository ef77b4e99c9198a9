"""The chips of one Ascend 910 server: their names, rings and addresses, and which go first.

Pure.  Eight chips, ids 0-7, in two HCCS rings (0-3 and 4-7).
"""

from collections.abc import Iterable, Set
from ipaddress import IPv4Address

RESOURCE = "huawei.com/Ascend910"
CHIPS = range(8)
RING_SIZE = 4

_PREFIX = "Ascend910-"


def device_name(chip: int) -> str:
    """Return the name under which kubelet and annotations know a chip: `Ascend910-3`."""
    return f"{_PREFIX}{chip}"


def chip_id(name: str) -> int:
    """Return the id in a device's name.

    Raises:
        ValueError: the name is not one of ours.
    """
    chip = int(name.removeprefix(_PREFIX)) if name.startswith(_PREFIX) else -1
    if chip not in CHIPS:
        raise ValueError(f"device {name!r}: wanted {_PREFIX}0 to {_PREFIX}{CHIPS[-1]}")
    return chip


def device_ip(host_ip: IPv4Address, chip: int) -> str:
    """Return a chip's address on the network between servers.

    Each chip has a /24 of its own; the host's last byte tells servers apart,
    so hosts are told apart within one /24.
    """
    return f"192.168.{100 + chip}.{host_ip.packed[-1]}"


def choose_chips(
    available: Set[int], required: Iterable[int], count: int, *, scattered: bool
) -> list[int]:
    """Return the chips to give to one container, in rising order.

    Args:
        available: free healthy chips, the required ones among them.
        required: chips that must be in the result.
        count: how many to choose, at most as many as are available.
        scattered: take from both rings in turn, which HCCL refuses for two or
            four chips; else the lowest ids of one ring, if one ring has enough.
    """
    chosen = set(required)
    rest = sorted(available - chosen, key=_alternating if scattered else None)
    if not scattered:
        rest = _one_ring(rest, chosen, count) or rest
    chosen.update(rest[: count - len(chosen)])
    return sorted(chosen)


def _one_ring(rest: list[int], chosen: set[int], count: int) -> list[int]:
    for first in range(0, len(CHIPS), RING_SIZE):
        ring = range(first, first + RING_SIZE)
        inside = [chip for chip in rest if chip in ring]
        if chosen <= set(ring) and len(inside) + len(chosen) >= count:
            return inside
    return []


def _alternating(chip: int) -> tuple[int, int]:
    return chip % RING_SIZE, chip // RING_SIZE
