"""The names of the metrics that the code exports, and those that an expression uses."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from monitoring_lab.operator_samples import BusyOperator

ROOT = Path(__file__).resolve().parents[2]
TRAINER_PYTHON = ROOT / "trainer/.venv/bin/python"
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
METRIC = re.compile(r"\b(?:efficientnet|npu_chip|container_npu|process|python)_\w+")


def expose_trainer(*ranks: int, scrapes: int = 1) -> list[bytes]:
    """Return what a trainer pod of these ranks exports, at each of some scrapes."""
    script = Path(__file__).with_name("trainer_samples.py")
    command = [TRAINER_PYTHON, script, *map(str, (scrapes, *ranks))]
    done = subprocess.run(command, check=True, capture_output=True, timeout=60)
    return done.stdout.split(b"\0")[:-1]


def names_in(text: bytes) -> set[str]:
    """Return the names of the series that a text may have, those without a sample too."""
    return {
        family.name + suffix
        for family in text_string_to_metric_families(text.decode())
        for suffix in SUFFIXES.get(family.type, ("",))
    }


@cache
def exported_metrics() -> frozenset[str]:
    """Return the names of all metrics of operator and trainers."""
    return frozenset(names_in(BusyOperator("a", "b0").expose()) | names_in(*expose_trainer(0)))


def used_metrics(expr: str) -> set[str]:
    """Return the names of the metrics that an expression reads."""
    return set(METRIC.findall(expr))
