"""What the dashboards show of the demo's job: all their queries, asked of a real Prometheus."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from demo import stage
from monitoring_lab.prometheus import Prometheus
from monitoring_lab.scrapes import EVERY_MS

from dashboards.answers import Curve, Span, ask, key_of
from dashboards.boards import BOARDS

NAMESPACE = "default"
PODS = [f"{stage.JOB}-1-{rank}" for rank in range(4)]
POINTS = 150

Recording = dict[str, dict[str, list[Curve]]]
"""Dashboard, query, answer."""


def record(prometheus: Prometheus, job: dict[str, Any]) -> Recording:
    """Return what the dashboards show of a job that has ended.

    Figures and tables are those of shortly before its last step: later the ranks are gone.

    Raises:
        ValueError: a query cannot be answered, or the operator's series of the job are not there.
    """
    begin = _seconds(job["metadata"]["creationTimestamp"])
    # The operator's own series tell of the end at a later scrape.
    end = _seconds(job["status"]["completionTime"]) + 3 * EVERY_MS / 1000
    time.sleep(max(0.0, end - time.time()))
    steps = f'efficientnet_operator_job_step{{namespace="{NAMESPACE}", job_name="{stage.JOB}"}}'
    total = job["status"]["progress"]["totalSteps"]
    curves = prometheus.query_range(f"max({steps})", begin, end, 1.0)
    before = [at for _, curve in curves for at, step in curve if step < total]
    if not before:
        raise ValueError(
            f"Prometheus has no sample of {steps} below {total}: does it reach the operator's pod?"
        )
    span = Span(begin, max(before), end, POINTS)
    return {
        name: ask(board, _values_for(name), prometheus, span) for name, board in BOARDS.items()
    }


def silent_queries(recording: Recording) -> set[str]:
    """Return the queries without an answer: dashboard, panel and letter."""
    return {
        f"{name}: {panel['title']} {target['refId']}"
        for name, board in BOARDS.items()
        for panel in board["panels"]
        for target in panel.get("targets", [])
        if not recording[name][key_of(panel, target)]
    }


def _values_for(name: str) -> dict[str, str]:
    """Return what the variables of a dashboard stand for in the demo's cluster."""
    namespace = stage.NAMESPACE if name == "operator" else NAMESPACE
    return {"namespace": namespace, "job": stage.JOB, "__rate_interval": "30s"}


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
