"""What the demo tells: live progress from the job's status, and the end of it.

Pure: values of the API in, lines out.  The last line is what scripts read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def describe_progress(status: Mapping[str, Any]) -> str:
    """Return one line about a running job: phase, allocation, step, speed, loss, accuracy."""
    npus = status.get("npus") or {}
    progress = status.get("progress") or {}
    parts = [f"{status.get('phase', 'Pending'):10}"]
    parts.append(f"{npus.get('allocated', 0)}/{npus.get('total', '?')} NPUs")
    if status.get("attempt", 1) > 1:
        parts.append(f"attempt {status['attempt']}")
    if "step" in progress:
        parts.append(f"step {progress['step']}/{progress['totalSteps']}")
    if progress.get("phase"):
        parts.append(progress["phase"])
    parts += _figures(progress)
    if "step" not in progress:
        parts += _waiting(status)
    return "  ".join(parts)


def _figures(progress: Mapping[str, Any]) -> list[str]:
    shown = (
        ("imagesPerSecond", "{:.0f} images/s"),
        ("loss", "loss {:.3f}"),
        ("top1", "top-1 {:.3f}"),
        ("etaSeconds", "{:.0f} s left"),
    )
    return [form.format(progress[key]) for key, form in shown if progress.get(key)]


def _waiting(status: Mapping[str, Any]) -> list[str]:
    """Return why a job does not run yet: the message of its first False condition."""
    for condition in status.get("conditions") or []:
        if condition["status"] == "False" and condition.get("message"):
            return [condition["message"]]
    return []


def describe_rank_table(hccl: str) -> list[str]:
    """Return a line for each server of a 1.0 rank table."""
    lines = []
    for server in json.loads(hccl)["server_list"]:
        devices = ", ".join(
            f"rank {d['rank_id']} = device {d['device_id']} ({d['device_ip']})"
            for d in server["device"]
        )
        lines.append(f"server {server['server_id']}: {devices}")
    return lines


def last_line(job: Mapping[str, Any], hccl: str, seconds: float) -> str:
    """Return the demo's result in one line."""
    metadata, status = job["metadata"], job["status"]
    servers = json.loads(hccl)["server_list"]
    ranks = sum(len(s["device"]) for s in servers)
    name = f"{metadata['namespace']}/{metadata['name']}"
    return (
        f"demo: EfficientNetJob {name} {status['phase']}: "
        f"top-1 {status['progress']['top1']:.3f}, {ranks} ranks on {len(servers)} nodes, "
        f"{seconds:.0f} s"
    )


def make(target: str, cluster: str) -> str:
    """Return the command that makes a target for a cluster; `dev` needs no mention."""
    return f"make {target}" if cluster == "dev" else f"make {target} NAME={cluster}"
