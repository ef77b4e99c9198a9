"""*Operator*: does it keep up, does the API server answer it, does it hear what happens."""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models

from dashboards import parts

Panels = Iterator[Builder[models.Panel]]

HERE = 'namespace=~"$namespace"'
OWN = f"efficientnet_operator_leading{{{HERE}}}"


def rate(metric: str, by: str) -> str:
    """Return the query of how often something happens in a second, by labels."""
    counter = f"efficientnet_operator_{metric}{{{HERE}}}"
    return f"sum by ({by}) (rate({counter}[$__rate_interval]))"


def quantile(share: float, metric: str, *by: str) -> str:
    """Return the query of a quantile of a histogram."""
    buckets = rate(f"{metric}_bucket", ", ".join(("le", *by)))
    return f"histogram_quantile({share}, {buckets})"


def of_process(metric: str) -> str:
    """Return the query of a figure of the operators' processes."""
    return f"{metric} and on (namespace, pod) {OWN}"


def build() -> dashboard.Dashboard:
    """Return the dashboard."""
    namespaces = "label_values(efficientnet_operator_leading, namespace)"
    board = parts.new_dashboard(
        "operator", "Operator", "The operator itself: reconciliations, queue, API, watches."
    ).with_variable(parts.choice("namespace", "Namespace", namespaces, several=True))
    rows = {
        "Now": _now(),
        "Reconciliation": _reconciliation(),
        "API server": _api(),
        "Watches": _watches(),
        "Process": _process(),
    }
    for title, panels in rows.items():
        board.with_row(dashboard.Row(title))
        for panel in panels:
            board.with_panel(panel)
    return board


def _now() -> Panels:
    yield parts.figure(
        "Leading",
        "Operators that work. Others stand by; none for three minutes is an alert. A second "
        "release in the cluster leads for itself.",
        "short",
        f"sum({OWN})",
        steps=[(None, "red"), (1, "green")],
    )
    yield parts.figure(
        "Replicas",
        "Operators that Prometheus sees, those that stand by included.",
        "short",
        f"count({OWN})",
        steps=[(None, "red"), (1, "yellow"), (2, "green")],
    )
    yield parts.figure(
        "Jobs",
        "Jobs that the operator knows of, finished ones included.",
        "short",
        f"sum(efficientnet_operator_jobs{{{HERE}}})",
    )
    yield parts.figure(
        "Queue",
        "Jobs that wait to be looked at.",
        "short",
        f"sum(efficientnet_operator_queue_depth{{{HERE}}})",
        steps=[(None, "green"), (100, "yellow"), (1000, "red")],
    )
    yield parts.figure(
        "Errors in an hour",
        "Reconciliations that failed and were tried again.",
        "short",
        f"sum(increase(efficientnet_operator_reconcile_errors_total{{{HERE}}}[1h]))",
        steps=[(None, "green"), (1, "yellow"), (20, "red")],
    )
    yield parts.figure(
        "Oldest watch",
        "Seconds since the most silent watch was opened or last delivered something.",
        "s",
        f"max(efficientnet_operator_watch_age_seconds{{{HERE}}})",
        steps=[(None, "green"), (100, "yellow"), (300, "red")],
    )


def _reconciliation() -> Panels:
    yield parts.curve(
        "Reconciliations",
        "How often a job is looked at.",
        "ops",
        {"{{namespace}}": rate("reconcile_seconds_count", "namespace")},
        width=6,
    )
    yield parts.curve(
        "Time of one",
        "Seconds to observe, decide and execute for one job. Most of it is the API server's.",
        "s",
        {
            "median": quantile(0.5, "reconcile_seconds"),
            "99 %": quantile(0.99, "reconcile_seconds"),
        },
        width=6,
    )
    yield parts.curve(
        "Wait in the queue",
        "Seconds until a worker took a job. Above a second the operator does not keep up.",
        "s",
        {"median": quantile(0.5, "queue_seconds"), "99 %": quantile(0.99, "queue_seconds")},
        width=6,
        steps=[(None, "green"), (1, "red")],
    )
    yield parts.curve(
        "Errors",
        "By kind. api: the API server refused or could not be reached; invalid: CRD and operator "
        "are of different versions; internal: a fault of the operator.",
        "ops",
        {"{{kind}}": rate("reconcile_errors_total", "kind")},
        width=6,
    )


def _api() -> Panels:
    yield parts.curve(
        "Requests",
        "Requests to the API server by verb and resource.",
        "reqps",
        {"{{verb}} {{resource}}": rate("api_requests_total", "verb, resource")},
        stacked=True,
    )
    yield parts.curve(
        "Answers",
        "By HTTP status. 409 is a view that was old, and is tried again; 403 a right that is "
        "missing; 429 an API server that is busy; error: no answer came.",
        "reqps",
        {"{{code}}": rate("api_requests_total", "code")},
        stacked=True,
    )
    yield parts.curve(
        "Time to answer",
        "Seconds until the API server began to answer, of the slowest hundredth.",
        "s",
        {"{{verb}} {{resource}}": quantile(0.99, "api_request_seconds", "verb", "resource")},
        steps=[(None, "green"), (1, "red")],
    )


def _watches() -> Panels:
    yield parts.curve(
        "Silence",
        "Seconds since each watch was opened or last delivered something: at most 90 while it can "
        "be opened; 300 are an alert, at 900 the kubelet restarts the operator.",
        "s",
        {"{{resource}}": f"max by (resource) (efficientnet_operator_watch_age_seconds{{{HERE}}})"},
        steps=[(None, "green"), (300, "red")],
    )
    yield parts.curve(
        "Events",
        "What the watches deliver, bookmarks included.",
        "ops",
        {"{{resource}}": rate("watch_events_total", "resource")},
    )
    yield parts.curve(
        "Watches that broke",
        "Watches that failed, after which everything was listed again: the API server restarted, "
        "or something between cuts connections.",
        "ops",
        {"{{resource}}": rate("watch_restarts_total", "resource")},
    )


def _process() -> Panels:
    yield parts.curve(
        "Processor",
        "Cores that each replica uses.",
        "short",
        {"{{pod}}": of_process("rate(process_cpu_seconds_total[$__rate_interval])")},
    )
    yield parts.curve(
        "Memory",
        "Resident memory of each replica; the chart's limit is 256 MiB.",
        "bytes",
        {"{{pod}}": of_process("process_resident_memory_bytes")},
        steps=[(None, "green"), (256 * 2**20, "red")],
    )
    yield parts.curve(
        "Lag of the event loop",
        "How much later than asked for a sleeper woke. The kubelet restarts an operator whose "
        "loop stands still for 60 s.",
        "s",
        {"{{pod}}": f"max by (pod) (efficientnet_operator_loop_lag_seconds{{{HERE}}})"},
        steps=[(None, "green"), (1, "red")],
    )
