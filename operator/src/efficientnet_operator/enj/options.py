"""Options that several commands have, and the client that they ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from efficientnet_operator.enj.tables import DataForm

if TYPE_CHECKING:
    from efficientnet_operator.sdk.client import Client


def complete_jobs(context: typer.Context, incomplete: str) -> list[str]:
    """Return names of jobs for the shell; none where the cluster does not tell."""
    from efficientnet_operator.sdk.errors import EnjError

    given = context.params
    try:
        with connect(
            given.get("namespace"), given.get("kubeconfig"), given.get("context")
        ) as client:
            return sorted(s.name for s in client.list() if s.name.startswith(incomplete))
    except EnjError:
        return []


Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the job.", autocompletion=complete_jobs)
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace", "-n", metavar="NAME", help="Where the job is; default: that of the context."
    ),
]
Kubeconfig = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="File that says how to reach the cluster; default: $KUBECONFIG, or ~/.kube.",
    ),
]
Context = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Context of the kubeconfig; default: the current one."),
]
Timeout = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="How long to wait: 90s, 5m, 1h30m; default: for ever."),
]
FORMS = "table, json or yaml."
Output = Annotated[DataForm, typer.Option("--output", "-o", metavar="FORM", help=FORMS)]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="In all namespaces.")]
Selector = Annotated[
    str, typer.Option("--selector", "-l", metavar="LABELS", help="Only jobs with these labels.")
]


def connect(namespace: str | None, kubeconfig: str | None, context: str | None) -> Client:
    """Return a client of the cluster that the options name."""
    from efficientnet_operator.sdk.client import Client

    return Client(kubeconfig, context=context, namespace=namespace)
