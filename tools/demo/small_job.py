"""The demo's job made small: two ranks on two nodes, and a network that is built in seconds.

For tests that are about who stops, who is replaced and what is told, not about learning.
"""

from __future__ import annotations

from typing import Any

import yaml

from demo.stage import EXAMPLES

QUICK = (
    "--width_coefficient=0.25",
    "--depth_coefficient=0.1",
    "--optimizer=sgd",
    "--moving_average_decay=0",
)
"""Flags for it: every kind of layer is there, but no slots and no averages."""


def build_small_job(name: str, train_steps: int, **spec: Any) -> dict[str, Any]:
    """Return a job that only trains, on the digits; ``spec`` replaces parts of its spec."""
    job: dict[str, Any] = yaml.safe_load((EXAMPLES / "digits-b0.yaml").read_text())
    job["metadata"]["name"] = name
    job["spec"] |= {"npus": 2, "scheduling": {"npusPerHost": 1}}
    job["spec"]["model"]["imageSize"] = 32
    job["spec"]["training"] |= {
        "batchSizePerNpu": 4,
        "trainSteps": train_steps,
        "saveCheckpointsSteps": 50,
        "mode": "Train",
        "extraArgs": ["--log_steps=1", *QUICK],
    }
    job["spec"] |= spec
    return job
