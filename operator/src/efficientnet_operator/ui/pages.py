"""Write the status page's HTML from jobs as they are stored; pure but for its templates.

Names, messages and figures come from people and pods: jinja2 escapes all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import jinja2

from efficientnet_operator.core.job_history import History
from efficientnet_operator.sdk.columns import COLUMNS, job_row
from efficientnet_operator.sdk.state import JobState
from efficientnet_operator.ui.curves import HEIGHT, LEFT, WIDTH, draw

TITLES = {
    "loss": "loss",
    "imagesPerSecond": "images per second",
    "top1": "top-1 accuracy",
}

_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("efficientnet_operator.ui"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render_jobs(
    documents: Iterable[Mapping[str, Any]], namespace: str, now: datetime | None = None
) -> str:
    """Return the page of all jobs; those that go on first, the newest first among them.

    Args:
        documents: jobs as JSON.
        namespace: show this one only; "" shows all.
        now: the time.
    """
    now = now or datetime.now(UTC)
    states = [JobState(d) for d in documents if namespace in ("", d["metadata"]["namespace"])]
    states.sort(key=lambda s: (s.finished, -(s.created or now).timestamp(), s.title))
    jobs = [(state, job_row(state, now)) for state in states]
    page: str = _templates.get_template("jobs.html").render(
        columns=COLUMNS, jobs=jobs, namespace=namespace, now=now
    )
    return page


def render_job(document: Mapping[str, Any], history: History, now: datetime | None = None) -> str:
    """Return the page of one job: figures, curves, conditions, failure, earlier attempts."""
    now = now or datetime.now(UTC)
    state = JobState(document)
    key = (state.namespace, state.name)
    curves = [draw(title, history.curve(key, figure)) for figure, title in TITLES.items()]
    page: str = _templates.get_template("job.html").render(
        job=state,
        figures=dict(zip(COLUMNS, job_row(state, now), strict=True)),
        curves=[curve for curve in curves if curve],
        conditions=state.status.get("conditions") or [],
        failure=state.status.get("failure") or {},
        attempts=state.status.get("history") or [],
        size=(WIDTH, HEIGHT, LEFT),
        now=now,
    )
    return page
