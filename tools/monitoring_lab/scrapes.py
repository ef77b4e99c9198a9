"""A Prometheus that scrapes a local cluster's operator and trainers, as the chart's monitors do.

Debian's Prometheus does not know Kubernetes; it asks for its targets by HTTP, and gets those
that the API server's pods say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from efficientnet_operator.core.identity import ATTEMPT_LABEL, JOB_NAME_LABEL
from localcluster.cluster import Cluster

from monitoring_lab import npu_samples
from monitoring_lab.exporter import exporting
from monitoring_lab.prometheus import Prometheus

EVERY_MS = 2000
APP_LABEL = "app.kubernetes.io/name"


@contextmanager
def watching(cluster: Cluster, namespace: str, pods: Sequence[str]) -> Iterator[Prometheus]:
    """Scrape a cluster until the end of the block; yield the Prometheus that does.

    Without an NPU there is no NPU exporter: the series of chips are samples of its form.

    Args:
        cluster: with the operator.
        namespace: of the job whose pods are said to hold the chips.
        pods: their names.
    """

    def targets(choose: Any) -> bytes:
        return json.dumps(choose(cluster.kubectl.get("pods", "-A")["items"])).encode()

    pages = {
        "/npus": lambda: npu_samples.expose(namespace, list(pods)),
        "/operator.json": lambda: targets(operator_targets),
        "/trainers.json": lambda: targets(trainer_targets),
    }
    with exporting(pages) as address, TemporaryDirectory() as folder:

        def found(path: str) -> list[dict[str, str]]:
            return [{"url": f"http://{address}{path}", "refresh_interval": "5s"}]

        scrapes: list[dict[str, Any]] = [
            {
                "job_name": "operator",
                "honor_labels": True,
                "http_sd_configs": found("/operator.json"),
            },
            {"job_name": "trainers", "http_sd_configs": found("/trainers.json")},
            {
                "job_name": "npu-exporter",
                "honor_labels": True,
                "metrics_path": "/npus",
                "static_configs": [{"targets": [address]}],
            },
        ]
        with Prometheus(Path(folder), scrapes, EVERY_MS) as started:
            yield started


def operator_targets(pods: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the operator's replicas, as Prometheus's HTTP discovery wants them."""
    return [
        _target(pod)
        for pod in pods
        if _labels(pod).get(APP_LABEL) == "efficientnet-operator" and _runs(pod)
    ]


def trainer_targets(pods: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the pods of jobs, with the labels that the chart's PodMonitor gives."""
    return [
        _target(
            pod,
            job_name=_labels(pod)[JOB_NAME_LABEL],
            attempt=_labels(pod)[ATTEMPT_LABEL],
            node=pod["spec"]["nodeName"],
        )
        for pod in pods
        if JOB_NAME_LABEL in _labels(pod) and _runs(pod)
    ]


def _target(pod: Mapping[str, Any], **labels: str) -> dict[str, Any]:
    ports = [p for c in pod["spec"]["containers"] for p in c.get("ports", [])]
    port = next(p["containerPort"] for p in ports if p.get("name") == "http")
    names = {"namespace": pod["metadata"]["namespace"], "pod": pod["metadata"]["name"]}
    return {"targets": [f"{pod['status']['podIP']}:{port}"], "labels": names | labels}


def _labels(pod: Mapping[str, Any]) -> dict[str, str]:
    return pod["metadata"].get("labels") or {}


def _runs(pod: Mapping[str, Any]) -> bool:
    return bool(pod["status"].get("phase") == "Running" and pod["status"].get("podIP"))
