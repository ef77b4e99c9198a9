"""The operator's own Prometheus metrics; base units, bounded labels.

Process-wide, as the client library has them: there is one operator to a process.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

PREFIX = "efficientnet_operator"

API_REQUESTS = Counter(
    f"{PREFIX}_api_requests",
    "Requests to the API server.",
    ["verb", "resource", "code"],
)
RECONCILE_SECONDS = Histogram(
    f"{PREFIX}_reconcile_seconds",
    "Seconds to observe, decide and execute for one job.",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30),
)
RECONCILE_ERRORS = Counter(
    f"{PREFIX}_reconcile_errors", "Reconciliations that failed and were tried again.", ["kind"]
)
LEADING = Gauge(f"{PREFIX}_leading", "1 on the operator that writes, 0 on those that wait.")
QUEUE_DEPTH = Gauge(f"{PREFIX}_queue_depth", "Jobs that wait to be reconciled.")
JOBS = Gauge(f"{PREFIX}_jobs", "Jobs by phase.", ["phase"])
RESTARTS = Counter(f"{PREFIX}_restarts", "Gang restarts by the reason of the failure.", ["reason"])
NPUS_ALLOCATED = Gauge(
    f"{PREFIX}_npus_allocated", "NPUs allocated to unfinished jobs.", ["namespace"]
)
TABLE_SECONDS = Histogram(
    f"{PREFIX}_table_seconds",
    "Seconds from the start of an attempt to its published rank table.",
    buckets=(0.5, 1, 2, 5, 10, 20, 60, 300, 1800, 7200),
)
WATCH_EVENTS = Counter(f"{PREFIX}_watch_events", "Watch events received.", ["resource"])
WATCH_LAST_SEEN = Gauge(
    f"{PREFIX}_watch_last_seen_timestamp_seconds",
    "When the watch last delivered something, bookmarks included.",
    ["resource"],
)
