"""Commands that tell what ranks wrote and what the operator makes of a job: logs, explain."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from efficientnet_operator.enj.options import (
    Context,
    Kubeconfig,
    Name,
    Namespace,
    complete_jobs,
    connect,
)
from efficientnet_operator.enj.tables import DataForm

FORMS: dict[DataForm, Literal["text", "json", "yaml"]] = {
    DataForm.TABLE: "text",
    DataForm.JSON: "json",
    DataForm.YAML: "yaml",
}


def logs(
    name: Name,
    rank: Annotated[
        list[int] | None,
        typer.Option("--rank", "-r", metavar="N", min=0, help="One rank; repeatable."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job ends, over restarts.")
    ] = False,
    tail: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="The last lines of each pod only.")
    ] = None,
    timestamps: Annotated[
        bool, typer.Option("--timestamps", help="The time before each line.")
    ] = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Print what the ranks wrote, merged by time.

    Each line begins with its rank, unless one rank alone is asked for.
    """
    alone = rank is not None and len(set(rank)) == 1
    with connect(namespace, kubeconfig, context) as client:
        for line in client.get(name).logs(ranks=rank, follow=follow, tail=tail):
            text = line.text if alone else str(line)
            print(f"{line.time} {text}" if timestamps else text, flush=follow)


def explain(
    name: Annotated[
        str | None, typer.Argument(help="Name of a live job.", autocompletion=complete_jobs)
    ] = None,
    filename: Annotated[
        str | None,
        typer.Option(
            "--filename",
            "-f",
            metavar="FILE",
            help="Manifest, or - for standard input; no cluster.",
        ),
    ] = None,
    output: Annotated[
        DataForm,
        typer.Option(
            "--output", "-o", metavar="FORM", help="Of a live job: table for words, json or yaml."
        ),
    ] = DataForm.TABLE,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Say what a job waits for and what is next.

    Of a manifest it prints every object that it would become, without a cluster.
    """
    if (name is None) == (filename is None):
        raise ValueError("name a live job or a manifest: kubectl enj explain NAME, or -f FILE")
    if name is not None:
        from efficientnet_operator.explaining_live import explain_live

        with connect(namespace, kubeconfig, None) as client:
            # What cannot be reached or is not there is told as by every other command.
            job = client.get(name)
        sys.stdout.write(explain_live(name, job.namespace, kubeconfig, FORMS[output]))
        return
    from efficientnet_operator.api.manifests import load_manifest
    from efficientnet_operator.enj.changing import read_file
    from efficientnet_operator.explaining import RefusedError
    from efficientnet_operator.explaining import explain as explain_manifest
    from efficientnet_operator.sdk.errors import InvalidJobError

    try:
        sys.stdout.write(explain_manifest(load_manifest(read_file(str(filename)))))
    except RefusedError as error:
        raise InvalidJobError(str(error)) from error
