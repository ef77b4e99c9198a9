"""Commands that look: list, status, top, ranktable, events."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from efficientnet_operator.enj.options import (
    Context,
    Everywhere,
    Kubeconfig,
    Name,
    Namespace,
    Output,
    Selector,
    connect,
)
from efficientnet_operator.enj.tables import (
    DataForm,
    Form,
    format_data,
    format_events,
    format_jobs,
    format_rank_table,
    format_top,
    join,
    ranks_as_data,
)

if TYPE_CHECKING:
    from efficientnet_operator.sdk.client import Job
    from efficientnet_operator.sdk.state import JobState

REFRESH_S = 2.0
MANY_PODS = 64
SLOW_REFRESH_S = 10.0
"""Between two looks at the pods of a job that has many: each costs the API server megabytes."""

ListOutput = Annotated[
    Form,
    typer.Option("--output", "-o", metavar="FORM", help="table, wide, json, yaml or name."),
]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Go on, every two seconds.")]


def list_jobs(
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    selector: Selector = "",
    watch: Watch = False,
    output: ListOutput = Form.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """List jobs with their figures."""
    with connect(namespace, kubeconfig, context) as client:

        def look() -> str:
            found = client.list(everywhere=everywhere, selector=selector)
            if not found and output in (Form.TABLE, Form.WIDE):
                where = "the cluster" if everywhere else f"namespace {client.namespace}"
                print(f"There are no jobs in {where}.", file=sys.stderr)
                return ""
            return format_jobs(found, output, datetime.now(UTC))

        _show(look, watch)


def top(
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    selector: Selector = "",
    watch: Watch = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Show which jobs hold NPUs, and how fast.

    The largest come first, the sum last.
    """
    with connect(namespace, kubeconfig, context) as client:
        _show(
            lambda: join(format_top(client.list(everywhere=everywhere, selector=selector))), watch
        )


def _show(look: Callable[[], str], watch: bool) -> None:
    """Print what ``look`` returns: once, or again and again."""
    from efficientnet_operator.enj.painting import Painter
    from efficientnet_operator.enj.status_view import Line

    painter = Painter()
    while True:
        text = look()
        if not watch:
            sys.stdout.write(text)
            return
        painter.paint([Line(line) for line in text.splitlines()], over=True)
        time.sleep(REFRESH_S)


def status(
    name: Name,
    namespace: Namespace = None,
    once: Annotated[
        bool, typer.Option("--once", help="Print it once, also on a terminal.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Go on in a pipe too: a line for each change.")
    ] = False,
    output: Output = DataForm.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Show one job, live on a terminal.

    That is its phase, why it waits, progress, ETA and each rank. On a terminal the view is kept
    up to date until the job ends; Ctrl-C leaves it, and the job goes on.
    """
    from efficientnet_operator.enj.painting import is_terminal

    with connect(namespace, kubeconfig, context) as client:
        job = client.get(name)
        if output in (DataForm.JSON, DataForm.YAML):
            state = job.state()
            data = {"job": dict(state.document), "ranks": ranks_as_data(job.ranks())}
            sys.stdout.write(format_data(data, output))
        elif is_terminal(sys.stdout) and not once:
            _follow_on_terminal(job)
        elif watch:
            _follow_in_pipe(job)
        else:
            _paint_once(job)


def _paint_once(job: Job) -> None:
    from efficientnet_operator.enj.painting import Painter
    from efficientnet_operator.enj.status_view import view_status

    Painter().paint(view_status(job.state(), job.ranks(), datetime.now(UTC)))


def _follow_in_pipe(job: Job) -> None:
    from efficientnet_operator.enj.status_view import summarize

    said = ""
    for state in job.watch():
        line = summarize(state)
        if line != said:
            print(line, flush=True)
            said = line
        if state.finished:
            return


def _follow_on_terminal(job: Job) -> None:
    """Repaint until the job ends; a lost connection is said, and put up with for a while."""
    from efficientnet_operator.enj.painting import Painter
    from efficientnet_operator.enj.status_view import view_status
    from efficientnet_operator.sdk.errors import UnreachableError
    from efficientnet_operator.sdk.feed import Patience

    painter, patience = Painter(), Patience(str(job), time.monotonic)
    state, ranks = job.state(), None
    # The job alone first: a person waits for that line, and the pods of a large one take a while.
    painter.paint(view_status(state, ranks, datetime.now(UTC)), over=True)
    due = 0.0
    while True:
        notice = ""
        try:
            phase, state = state.phase, job.state()
            if time.monotonic() >= due or state.phase != phase:
                ranks, due = job.ranks(), time.monotonic() + _rest_between_pods(state)
            patience.restore()
        except UnreachableError as error:
            patience.lose(error)
            notice = "The connection is lost; trying again. The job goes on."
        painter.paint(view_status(state, ranks, datetime.now(UTC), notice), over=True)
        if state.finished:
            return
        time.sleep(REFRESH_S)


def _rest_between_pods(state: JobState) -> float:
    pods = int(state.spec.get("npus") or 1) // int(state.spec.get("npusPerPod") or 1)
    return REFRESH_S if pods <= MANY_PODS else SLOW_REFRESH_S


def rank_table(
    name: Name,
    namespace: Namespace = None,
    output: Output = DataForm.JSON,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Print the HCCL rank table of a job."""
    with connect(namespace, kubeconfig, context) as client:
        table = client.get(name).rank_table()
    if output in (DataForm.JSON, DataForm.YAML):
        sys.stdout.write(format_data(table, output))
    else:
        sys.stdout.write(join(format_rank_table(table)))


def events(
    name: Name,
    namespace: Namespace = None,
    output: Output = DataForm.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Print what happened to a job, oldest first."""
    with connect(namespace, kubeconfig, context) as client:
        found = client.get(name).events()
    if output in (DataForm.JSON, DataForm.YAML):
        sys.stdout.write(format_data(found, output))
    elif found:
        sys.stdout.write(join(format_events(found, datetime.now(UTC))))
    else:
        print("There are no events; the cluster keeps them for an hour.", file=sys.stderr)
