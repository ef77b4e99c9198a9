"""Read which chips of a node the device plugin reports as unfit to train on.

Source: Ascend/mind-cluster, ascend-device-plugin: it writes the ConfigMap
``kube-system/mindx-dl-deviceinfo-<node>`` with ``-volcanoType``, every
``-listWatchPeriod``. How it computes CheckCode is not documented, so that is
not verified. Pure; any shape is read, and what cannot be read reports nothing.

The levels of a fault, after the vendor's table of fault handling:

=====================  ==================================================  ========
NotHandleFault         no effect on the work                               go on
SubHealthFault         slower; the vendor leaves it to the job             go on
PreSeparateNPU         no effect yet; no new work goes to the chip         go on
RestartRequest         the work is broken; training has to begin again     stop
RestartBusiness        the same                                            stop
RestartNPU             the same, and the chip is reset                     stop
FreeRestartNPU         the same, and it is reset once nobody uses it       see below
SeparateNPU            the chip cannot recover                             stop
ManuallySeparateNPU    it had too many faults and is isolated              stop
=====================  ==================================================  ========

The lists of unhealthy chips do not say everything: the plugin spares a chip with
PreSeparateNPU only where Huawei's scheduler annotated the pod that uses it, so a
listed chip goes on where all that is told of it is harmless. FreeRestartNPU stops
a chip that is listed; in the plugin's graceful mode it is not, while in use.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

SELECTOR = "mx-consumer-cim=true"
"""Label that the device plugin puts on its reports."""
NAMESPACE = "kube-system"
NAME_PREFIX = "mindx-dl-deviceinfo-"
DATA_KEY = "DeviceInfoCfg"
RESOURCE = "huawei.com/Ascend910"

HARMLESS = frozenset({"NotHandleFault", "SubHealthFault", "PreSeparateNPU"})
STOPPING = frozenset(
    {"RestartRequest", "RestartBusiness", "RestartNPU", "SeparateNPU", "ManuallySeparateNPU"}
)
LEVEL_KEYS = ("fault_handling", "fault_level", "large_model_fault_level")
"""They say the same; the vendor recommends the first, older plugins know the second only."""
CHIP = re.compile(r"Ascend910-([0-9]{1,9})")


@dataclass(frozen=True, slots=True, order=True)
class ChipFault:
    """A fault that demands a stop of what trains on the chip.

    Attributes:
        device_id: physical id of the chip on its host.
        network: it is the chip's RoCE port, which a job on one host does not use.
        level: how the vendor wants it handled; "" where the chip is only listed.
        code: fault codes, joined by commas; "" where there are none.
    """

    device_id: int
    network: bool = False
    level: str = ""
    code: str = ""

    def describe(self) -> str:
        """Return the fault in words."""
        what = "the chip's network" if self.network else "the chip"
        level = f", level {self.level}" if self.level else ""
        code = f", fault code {self.code}" if self.code else ""
        return f"the device plugin reports {what} as unhealthy{level}{code}"


@dataclass(frozen=True, slots=True)
class ChipReport:
    """The chips of one node that are unfit; equal to another one of the same faults.

    Attributes:
        updated_at: when the plugin wrote it, by the node's clock; None where it does not say.
    """

    faults: tuple[ChipFault, ...]
    updated_at: datetime | None = field(default=None, compare=False)


def parse_chip_report(config_map: Mapping[str, Any]) -> tuple[str, ChipReport | None]:
    """Return (node, report) of a ConfigMap; None where no chip is unfit, "" where it is no report.

    Healthy nodes are the rule and need no memory.
    """
    name = (config_map.get("metadata") or {}).get("name") or ""
    if not name.startswith(NAME_PREFIX):
        return "", None
    document = _load((config_map.get("data") or {}).get(DATA_KEY))
    info = _dict(_dict(document).get("DeviceInfo"))
    devices = _dict(info.get("DeviceList"))
    faults = tuple(sorted({*_find_faults(devices, False), *_find_faults(devices, True)}))
    report = ChipReport(faults, _parse_seconds(info.get("UpdateTime"))) if faults else None
    return name.removeprefix(NAME_PREFIX), report


def _find_faults(devices: Mapping[str, Any], network: bool) -> Iterable[ChipFault]:
    kind = "NetworkUnhealthy" if network else "Unhealthy"
    listed = _chips(devices.get(f"{RESOURCE}-{kind}"))
    told: dict[int, list[tuple[str, str]]] = {chip: [] for chip in listed}
    for entry in _list(devices.get(f"{RESOURCE}-Fault")):
        if _dict(entry).get("fault_type") == f"Card{kind}":
            for chip in _chips(entry.get("npu_name")):
                told.setdefault(chip, []).append((_level(entry), _word(entry.get("fault_code"))))
    for chip, entries in told.items():
        worst = _find_worst(entries, chip in listed)
        if worst is not None:
            yield ChipFault(chip, network, *worst)


def _find_worst(entries: list[tuple[str, str]], listed: bool) -> tuple[str, str] | None:
    """Return (level, code) of the entry that demands a stop; None where none does."""
    if listed and not entries:
        return "", ""
    # A level that is not known demands a stop of a chip that is listed, and nothing else.
    demands = [e for e in entries if e[0] in STOPPING or (listed and e[0] not in HARMLESS)]
    return min(demands, default=None)


def _level(entry: Mapping[str, Any]) -> str:
    return next((w for k in LEVEL_KEYS if (w := _word(entry.get(k)))), "")


def _chips(names: Any) -> set[int]:
    found = (CHIP.fullmatch(n.strip()) for n in names.split(",")) if isinstance(names, str) else ()
    return {int(match[1]) for match in found if match}


def _list(value: Any) -> list[Any]:
    """Return a list, or the one that a string of JSON holds."""
    value = _load(value) if isinstance(value, str) else value
    return value if isinstance(value, list) else []


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _word(value: Any) -> str:
    # Long lists of codes would fill the condition that quotes them.
    return value[:128] if isinstance(value, str) else ""


def _load(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None


def _parse_seconds(value: Any) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
