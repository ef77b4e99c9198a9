"""Build the ConfigMap by which one attempt's rank table and peers reach its pods.

It stands before the pods do, saying "initializing", so that they can mount it;
both files are then written in one update, whole, so that no reader ever sees
half of a table. Addresses that pods get later change the peers alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from efficientnet_operator.core.identity import (
    ATTEMPT_LABEL,
    EXCLUDED_HOSTS_ANNOTATION,
    JobRef,
    child_metadata,
    config_map_name,
)
from efficientnet_operator.core.metadata import parse_metadata
from efficientnet_operator.core.pod_view import to_int
from efficientnet_operator.core.rank_table import INITIALIZING, encode

HCCL_KEY = "hccl.json"
PEERS_KEY = "peers.json"


@dataclass(frozen=True, slots=True)
class ConfigMapView:
    """What the operator keeps of a rank table's ConfigMap."""

    namespace: str
    name: str
    uid: str
    owner_uid: str
    attempt: int
    hccl: str
    peers: str
    excluded: str = ""
    resource_version: str = ""
    job_name: str = ""


def parse_config_map(config_map: Mapping[str, Any]) -> ConfigMapView:
    """Return the view of a ConfigMap's JSON."""
    annotations = (config_map.get("metadata") or {}).get("annotations") or {}
    labels = (config_map.get("metadata") or {}).get("labels") or {}
    data = config_map.get("data") or {}
    return ConfigMapView(
        **parse_metadata(config_map),
        attempt=to_int(labels.get(ATTEMPT_LABEL)),
        hccl=data.get(HCCL_KEY, ""),
        peers=data.get(PEERS_KEY, ""),
        excluded=annotations.get(EXCLUDED_HOSTS_ANNOTATION, ""),
    )


def build_config_map(job: JobRef, attempt: int) -> dict[str, Any]:
    """Return the ConfigMap of an attempt whose table is not complete yet."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": child_metadata(job, attempt, config_map_name(job, attempt)),
        "data": build_data(INITIALIZING, encode([])),
    }


def build_patch(seen: ConfigMapView, data: Mapping[str, str]) -> dict[str, Any]:
    """Return a merge patch of the data, which is refused where somebody else was faster."""
    return {"metadata": {"resourceVersion": seen.resource_version}, "data": dict(data)}


def build_data(hccl: str, peers: str) -> dict[str, str]:
    """Return the ConfigMap's data: both files."""
    return {HCCL_KEY: hccl, PEERS_KEY: peers}
