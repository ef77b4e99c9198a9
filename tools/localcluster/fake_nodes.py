"""Build the nodes that kwok pretends to run: Ascend servers of eight NPUs.

Pure.  kwok turns the pods of these nodes Running and answers for their
leases; there is no kubelet, no container and no device plugin behind them.
"""

from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

_ANNOTATION = "kwok.x-k8s.io/node"
_STAGES = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
    "pod/fast/pod-ready.yaml",
)


def build_fake_nodes(count: int, npus: int = 8) -> list[dict[str, Any]]:
    """Return `count` nodes, each with this many huawei.com/Ascend910."""
    capacity = {"cpu": "192", "memory": "768Gi", "pods": "250", "huawei.com/Ascend910": str(npus)}
    return [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": f"fake{number}",
                "annotations": {_ANNOTATION: "fake"},
                "labels": {
                    "kubernetes.io/hostname": f"fake{number}",
                    "accelerator": "huawei-Ascend910",
                },
            },
            "status": {
                "capacity": capacity,
                "allocatable": capacity,
                "addresses": [
                    {"type": "InternalIP", "address": f"10.0.{number // 250}.{number % 250 + 1}"},
                    {"type": "Hostname", "address": f"fake{number}"},
                ],
            },
        }
        for number in range(count)
    ]


def build_kwok_command(kwok: Path, kubeconfig: Path, pod_subnet: IPv4Network) -> list[str]:
    """Return kwok's command line; its stages lie beside the binary."""
    return [
        str(kwok),
        f"--kubeconfig={kubeconfig}",
        f"--manage-nodes-with-annotation-selector={_ANNOTATION}=fake",
        "--node-lease-duration-seconds=40",
        f"--cidr={pod_subnet}",
        *(f"--config={kwok.parent / 'stage' / stage}" for stage in _STAGES),
    ]
