"""Queries of one job's figures: from the operator, from its trainers, from its chips."""

from __future__ import annotations

JOB = 'namespace="$namespace", job_name="$job"'
PODS = 'namespace="$namespace", pod_name=~"$job-[0-9]+-[0-9]+"'
"""Labels of the NPU exporter; a job's pods are named <job>-<attempt>-<index>."""
SEED_RATE = 11600 / 8
"""Images per second and NPU that the reference run on eight Ascend 910 reached with B0."""


def of_operator(metric: str) -> str:
    """Return the query of a figure that the operator tells of the job."""
    return f"max(efficientnet_operator_job_{metric}{{{JOB}}})"


def of_trainer(metric: str, how: str = "max") -> str:
    """Return the query of a figure that all ranks know alike, or that rank 0 alone knows."""
    return f"{how}(efficientnet_{metric}{{{JOB}}})"


def of_ranks(metric: str) -> str:
    """Return the query of a figure of each rank."""
    return f"max by (rank) (efficientnet_{metric}{{{JOB}}})"


def step_quantile(share: float) -> str:
    """Return the query of a quantile of the step time over all ranks."""
    buckets = f"efficientnet_training_step_seconds_bucket{{{JOB}}}"
    return f"histogram_quantile({share}, sum by (le) (rate({buckets}[$__rate_interval])))"


def of_chips(metric: str) -> str:
    """Return the query of the job's chips as the NPU exporter tells of them."""
    return f"npu_chip_info_{metric}{{{PODS}}}"
