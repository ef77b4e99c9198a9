"""What the Ascend NPU exporter tells of a job's chips, in the form that its reference shows.

Source: MindCluster 6.0 and later, "Prometheus Metrics API": the labels, a time stamp in
milliseconds behind each value; memory in megabytes, utilisation in percent.
"""

from __future__ import annotations

import time

VALUES = {
    "utilization": 87,
    "temperature": 61,
    "power": 243.5,
    "hbm_used_memory": 29804,
    "hbm_total_memory": 32768,
    "health_status": 1,
}
METRICS = frozenset(f"npu_chip_info_{name}" for name in VALUES)


def expose(namespace: str, pods: list[str]) -> bytes:
    """Return a scrape of a server whose chips the pods hold, one each.

    Args:
        namespace: of the pods.
        pods: their names.
    """
    now_ms = int(time.time() * 1000)
    lines = []
    for name, value in VALUES.items():
        lines.append(f"# HELP npu_chip_info_{name} the npu {name}")
        lines.append(f"# TYPE npu_chip_info_{name} gauge")
        for chip, pod in enumerate(pods):
            labels = (
                f'container_name="trainer",id="{chip}",model_name="910A-Ascend-V1",'
                f'namespace="{namespace}",pcie_bus_info="0000:{chip:02X}:00.0",pod_name="{pod}",'
                f'vdie_id="185011D4-21104518-A0C4ED94-14CC040A-5610200{chip}"'
            )
            lines.append(f"npu_chip_info_{name}{{{labels}}} {value} {now_ms}")
    return ("\n".join(lines) + "\n").encode()
