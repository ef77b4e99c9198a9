"""*Jobs*: the fleet. Which jobs there are, what they wait for, what they cost and lose."""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models

from dashboards import parts

Panels = Iterator[Builder[models.Panel]]

OF_JOBS = 'namespace=~"$namespace"'
NPUS_IN_USE = f"max by (namespace) (efficientnet_operator_npus_allocated{{{OF_JOBS}}})"
WAITING = "Pending|Allocating|Starting|Restarting|Suspended"
ONE_JOB = "/d/efficientnet-training?${datasource:queryparam}"
ONE_JOB += "&var-namespace=${__data.fields.namespace}&var-job=${__data.fields.job_name}"
MILESTONES = {
    "scheduled": "every pod has a node",
    "allocated": "the device plugin has reported all NPUs",
    "table": "the rank table is published",
    "first_step": "rank 0 trains",
}


def latest(metric: str) -> str:
    """Return the query of a job's figure, whichever replica of the operator tells it."""
    return f"max by (namespace, job_name) (efficientnet_operator_job_{metric}{{{OF_JOBS}}})"


def within(phases: str) -> str:
    """Return the query of the jobs that are in some phases, each with its phase."""
    phase = f'efficientnet_operator_job_phase{{{OF_JOBS}, phase=~"{phases}"}}'
    return f"max by (namespace, job_name, phase) ({phase})"


def npus_in(phases: str) -> str:
    """Return the query of how many NPUs jobs in some phases ask for."""
    return f"sum({latest('npus')} and on (namespace, job_name) {within(phases)}) or vector(0)"


def quantile(share: float, milestone: str) -> str:
    """Return the query of a quantile of the time to a milestone, over six hours."""
    buckets = f"efficientnet_operator_time_to_{milestone}_seconds_bucket"
    return f"histogram_quantile({share}, sum by (le) (increase({buckets}[6h])))"


def build() -> dashboard.Dashboard:
    """Return the dashboard."""
    namespaces = "label_values(efficientnet_operator_job_phase, namespace)"
    board = parts.new_dashboard(
        "jobs", "Jobs", "All EfficientNetJobs: phases, NPUs, queue, restarts, time to table."
    ).with_variable(parts.choice("namespace", "Namespace", namespaces, several=True))
    for panel in (*_figures(), _table(), *_curves(), *_times()):
        board.with_panel(panel)
    return board


def _figures() -> Panels:
    yield parts.figure(
        "Running",
        "Jobs whose ranks all run.",
        "short",
        f"count({within('Running')}) or vector(0)",
    )
    yield parts.figure(
        "Waiting",
        "Jobs that are neither running nor finished: for a queue, for nodes, for their NPUs, for "
        "their containers.",
        "short",
        f"count({within(WAITING)}) or vector(0)",
        steps=[(None, "green"), (1, "yellow")],
    )
    yield parts.figure(
        "NPUs in use",
        "NPUs allocated to jobs that are not finished.",
        "short",
        f"sum({NPUS_IN_USE}) or vector(0)",
    )
    yield parts.figure(
        "NPUs waited for",
        "NPUs that jobs ask for which do not run yet.",
        "short",
        npus_in(WAITING),
        steps=[(None, "green"), (1, "yellow")],
    )
    yield parts.figure(
        "Images per second",
        "Training images per second, over all jobs that run.",
        "short",
        f"sum({latest('images_per_second')}) or vector(0)",
    )
    yield parts.figure(
        "Restarts in a day",
        "Restarts of whole gangs within 24 hours, in all namespaces; the curve below has the "
        "reasons.",
        "short",
        "sum(increase(efficientnet_operator_restarts_total[24h]))",
        steps=[(None, "green"), (1, "yellow"), (10, "red")],
    )


def _table() -> Builder[models.Panel]:
    done = f"{latest('step')} / on (namespace, job_name) {latest('target_steps')}"
    return parts.listing(
        "Jobs",
        "A row for each job, those included that ended within the hour. Click one to see its "
        "training. More jobs than the operator's --job-series are not shown.",
        {
            "phase": within(".+"),
            "Done": done,
            "Images/s": latest("images_per_second"),
            "Top-1": latest("top1_ratio"),
            "NPUs": latest("npus"),
            "Attempt": latest("attempt"),
            "Silent for": f"time() - {latest('progress_timestamp_seconds')}",
        },
        by=["namespace", "job_name", "phase"],
        units={"Done": "percentunit", "Top-1": "percentunit", "Silent for": "dtdurations"},
        link=("Training of this job", ONE_JOB),
    )


def _curves() -> Panels:
    yield parts.curve(
        "Jobs by phase",
        "How many jobs are in each phase. Pending: no node yet; Allocating: no rank table yet; "
        "Starting: the table is there, not all ranks are.",
        "short",
        {"{{phase}}": f"count by (phase) ({within('.+')})"},
        stacked=True,
    )
    yield parts.curve(
        "NPUs in use by namespace",
        "NPUs allocated to jobs that are not finished.",
        "short",
        {"{{namespace}}": NPUS_IN_USE},
        stacked=True,
    )
    yield parts.curve(
        "Queue",
        "NPUs that jobs wait for: suspended by a person or by Kueue, without nodes, or between "
        "two attempts.",
        "short",
        {
            "suspended or in a queue": npus_in("Suspended"),
            "without nodes": npus_in("Pending"),
            "restarting": npus_in("Restarting"),
        },
        stacked=True,
    )
    yield parts.curve(
        "Restarts by reason",
        "Restarts within the last hour, in all namespaces. NodeLost, ChipUnhealthy and the "
        "cluster's own words are not charged to the job; the runbook explains each.",
        "short",
        {"{{reason}}": "sum by (reason) (increase(efficientnet_operator_restarts_total[1h])) > 0"},
        width=16,
        stacked=True,
    )
    yield parts.curve(
        "Jobs without metrics",
        "More jobs than the operator's --job-series (chart value jobSeries): these are in no "
        "panel above, and no alert on jobs watches them.",
        "short",
        {"left out": "max(efficientnet_operator_jobs_left_out)"},
        steps=[(None, "green"), (1, "red")],
    )


def _times() -> Panels:
    for milestone, meaning in MILESTONES.items():
        yield parts.curve(
            f"Time to {milestone.replace('_', ' ')}",
            f"Seconds from the start of an attempt until {meaning}: the median and the slowest "
            "twentieth, of what happened within six hours, in all namespaces.",
            "s",
            {"median": quantile(0.5, milestone), "95 %": quantile(0.95, milestone)},
            width=6,
        )
