"""Merge a partial pod into a pod, as Kubernetes' strategic merge patch does.

``podTemplate`` changes a trainer pod without repeating it: objects merge field
by field, lists whose items have a key (containers by name, mounts by path)
merge item by item, other lists are extended. The overlay wins.

Source: the patchMergeKey and patchStrategy of the core/v1 API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "ports": "containerPort",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
}
# Lists that a second value would make contradictory rather than longer.
REPLACED = frozenset({"command", "args", "drop", "matchExpressions"})


def merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``overlay`` merged in; neither is changed."""
    merged = dict(base)
    for key, value in overlay.items():
        current = merged.get(key)
        if isinstance(current, Mapping) and isinstance(value, Mapping):
            merged[key] = merge(current, value)
        elif _is_list(current) and _is_list(value) and key not in REPLACED:
            merged[key] = _merge_lists(key, current, value)
        else:
            merged[key] = value
    return merged


def _is_list(value: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _merge_lists(name: str, base: Sequence[Any], overlay: Sequence[Any]) -> list[Any]:
    key = MERGE_KEYS.get(name)
    if key is None:
        return [*base, *(item for item in overlay if item not in base)]
    items = list(base)
    for item in overlay:
        position = next((i for i, b in enumerate(items) if b.get(key) == item.get(key)), None)
        if position is None:
            items.append(item)
        else:
            items[position] = merge(items[position], item)
    return items
