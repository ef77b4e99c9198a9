"""The operator's own Prometheus metrics; base units, bounded labels.

Process-wide, as the client library has them: there is one operator to a
process. ``documenting`` makes docs/reference/metrics.md of what stands here.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

from efficientnet_operator.core.accounting import OTHER_REASON
from efficientnet_operator.core.failure import KNOWN_REASONS

# A second series for each counter and histogram, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]

PREFIX = "efficientnet_operator"
FAST_S = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30)
SLOW_S = (0.5, 1, 2, 5, 10, 20, 60, 300, 1800, 7200)

API_REQUESTS = Counter(
    f"{PREFIX}_api_requests",
    "Requests to the API server by HTTP status; code is error where no answer came.",
    ["verb", "resource", "code"],
)
API_SECONDS = Histogram(
    f"{PREFIX}_api_request_seconds",
    "Seconds until the API server began to answer a request; of a watch, until it was open.",
    ["verb", "resource"],
    buckets=FAST_S,
)

RECONCILE_SECONDS = Histogram(
    f"{PREFIX}_reconcile_seconds",
    "Seconds to observe, decide and execute for one job.",
    buckets=FAST_S,
)
RECONCILE_ERRORS = Counter(
    f"{PREFIX}_reconcile_errors",
    "Reconciliations that failed and were tried again. Kind is api (the API server refused or "
    "could not be reached), invalid (not a job that this version can read) or internal (a fault "
    "of the operator).",
    ["kind"],
)
QUEUE_DEPTH = Gauge(
    f"{PREFIX}_queue_depth",
    "Jobs that wait to be reconciled; 0 on an operator that stands by.",
)
QUEUE_SECONDS = Histogram(
    f"{PREFIX}_queue_seconds",
    "Seconds that a job waited in the queue until a worker took it.",
    buckets=FAST_S,
)
LOOP_LAG_SECONDS = Gauge(
    f"{PREFIX}_loop_lag_seconds",
    "How much later than asked for the event loop woke a sleeper, at the last look.",
)
LEADING = Gauge(f"{PREFIX}_leading", "1 on the operator that writes, 0 on those that stand by.")

WATCH_EVENTS = Counter(
    f"{PREFIX}_watch_events", "Watch events received, bookmarks included.", ["resource"]
)
WATCH_RESTARTS = Counter(
    f"{PREFIX}_watch_restarts",
    "Watches that failed, after which everything was listed again.",
    ["resource"],
)
"""There from a watch's beginning: an increase from nothing to 1 is none to Prometheus."""
WATCH_AGE_SECONDS = Gauge(
    f"{PREFIX}_watch_age_seconds",
    "Seconds since the watch was opened or last delivered something, bookmarks included; one that "
    "is silent for 90 s is opened again. Of several namespaces the one that is silent longest.",
    ["resource"],
)

JOBS = Gauge(f"{PREFIX}_jobs", "Jobs by phase.", ["phase"])
NPUS_ALLOCATED = Gauge(
    f"{PREFIX}_npus_allocated", "NPUs allocated to unfinished jobs.", ["namespace"]
)
RESTARTS = Counter(
    f"{PREFIX}_restarts",
    "Gang restarts by the reason of the failure; Other where a trainer made up its own.",
    ["reason"],
)

_SINCE = (
    "Seconds from the start of an attempt (of the first one: from the job's creation, or from "
    "when it was resumed) "
)
MILESTONES = {
    "scheduled": Histogram(
        f"{PREFIX}_time_to_scheduled_seconds",
        f"{_SINCE}until every pod had a node.",
        buckets=SLOW_S,
    ),
    "allocated": Histogram(
        f"{PREFIX}_time_to_allocated_seconds",
        f"{_SINCE}until all NPUs were reported by the device plugin.",
        buckets=SLOW_S,
    ),
    "table": Histogram(
        f"{PREFIX}_time_to_table_seconds",
        f"{_SINCE}until its rank table was published.",
        buckets=SLOW_S,
    ),
    "first_step": Histogram(
        f"{PREFIX}_time_to_first_step_seconds",
        f"{_SINCE}until rank 0 was seen to train; as exact as the interval of the looks at it.",
        buckets=SLOW_S,
    ),
}

_JOB = ["namespace", "job_name"]
JOB_PHASE = Gauge(f"{PREFIX}_job_phase", "1 for the phase that the job is in.", [*_JOB, "phase"])
JOB_FIGURES = {
    "attempt": Gauge(f"{PREFIX}_job_attempt", "Number of the job's attempt, from 1.", _JOB),
    "npus": Gauge(f"{PREFIX}_job_npus", "NPUs that the job asks for.", _JOB),
    "step": Gauge(
        f"{PREFIX}_job_step", "Last step that was seen, those before a resume included.", _JOB
    ),
    "target_steps": Gauge(f"{PREFIX}_job_target_steps", "Steps of the whole training.", _JOB),
    "images_per_second": Gauge(
        f"{PREFIX}_job_images_per_second",
        "Training images per second over all ranks; absent while the job does not run.",
        _JOB,
    ),
    "top1_ratio": Gauge(
        f"{PREFIX}_job_top1_ratio", "Top-1 accuracy of the last evaluation, 0 to 1.", _JOB
    ),
    "progress_timestamp_seconds": Gauge(
        f"{PREFIX}_job_progress_timestamp_seconds",
        "When the job's figures last changed, in Unix seconds: one that stands still hangs.",
        _JOB,
    ),
}
JOBS_LEFT_OUT = Gauge(
    f"{PREFIX}_jobs_left_out",
    "Jobs without metrics of their own (job_...), because there are more than --job-series.",
)

# A counter that first appears as 1 shows no increase: whoever asks for one never saw the 0.
for _reason in sorted(KNOWN_REASONS | {OTHER_REASON}):
    RESTARTS.labels(_reason)
for _kind in ("api", "invalid", "internal"):
    RECONCILE_ERRORS.labels(_kind)
