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
    "imagePullSecrets": "name",  # pragma: allowlist secret
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "ports": "containerPort",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
}
# Items that hold one of several alternatives (a volume's source, value or valueFrom): the
# fields that the overlay does not name go, else there would be two.
RETAINED = frozenset({"volumes", "env"})
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
        position = _find(items, key, item)
        if position is None:
            items.append(item)
        else:
            found = items[position]
            kept = {k: v for k, v in found.items() if k in item} if name in RETAINED else found
            items[position] = merge(kept, item)
    return items


def _find(items: Sequence[Any], key: str, item: Any) -> int | None:
    """Return where the item of the same key stands; no object is never found, nor refused here."""
    if not isinstance(item, Mapping):
        return None
    same = (
        i for i, b in enumerate(items) if isinstance(b, Mapping) and b.get(key) == item.get(key)
    )
    return next(same, None)
