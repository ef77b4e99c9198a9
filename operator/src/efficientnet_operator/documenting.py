"""Write the reference of the operator's metrics from the registry that exports them.

Generated like the CRD, so that no metric goes without an entry.
Usage: python -m efficientnet_operator.documenting --reference DIR
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from efficientnet_operator.kube import metrics
from efficientnet_operator.pages import write_page

PAGE = "metrics.md"
HEAD = """\
<!-- Generated from efficientnet_operator.kube.metrics by `make verify`; do not edit. -->
# Metrics of the operator

Served at `/metrics` on port 8080, beside `python_*` and `process_*` of the Prometheus client
library. A histogram is exported as `_bucket`, `_sum` and `_count`. Metrics of jobs come from the
operator that leads; one that stands by has none of them. The `job_` metrics belong to one job
each, to at most so many jobs as `--job-series` says, and vanish with the job or an hour after its
end. The trainers' own metrics are in the [user guide](../user-guide.md#watch-it), how to read
these in the [runbook](../runbook.md#what-the-operators-metrics-and-log-say).

| metric | type | labels | meaning |
|---|---|---|---|
"""

Metric = Counter | Gauge | Histogram


def build_reference() -> str:
    """Return the page in Markdown, equal at every call."""
    rows = sorted(_row(metric) for metric in find_metrics())
    return HEAD + "\n".join(rows) + "\n"


def find_metrics() -> list[Metric]:
    """Return what ``kube.metrics`` defines, in groups or alone."""
    values: Iterable[Any] = vars(metrics).values()
    found: list[Metric] = []
    for value in values:
        group = value.values() if isinstance(value, dict) else [value]
        found += [m for m in group if isinstance(m, Metric)]
    return found


def _row(metric: Metric) -> str:
    (family,) = metric.describe()
    name = f"{family.name}_total" if isinstance(metric, Counter) else family.name
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)
    meaning = family.documentation.replace("|", "\\|")
    return f"| `{name}` | {family.type} | {labels} | {meaning} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page into the folder that the arguments name."""
    write_page(PAGE, build_reference, __doc__, arguments)


if __name__ == "__main__":
    main()
