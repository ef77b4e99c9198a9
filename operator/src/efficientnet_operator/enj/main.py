"""All commands of ``kubectl enj``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from efficientnet_operator.enj import changing, reading, telling
from efficientnet_operator.enj.guarding import guard

COMMANDS: dict[str, Callable[..., None]] = {
    "submit": changing.submit,
    "list": reading.list_jobs,
    "status": reading.status,
    "logs": telling.logs,
    "ranktable": reading.rank_table,
    "events": reading.events,
    "suspend": changing.suspend,
    "resume": changing.resume,
    "wait": changing.wait,
    "delete": changing.delete,
    "explain": telling.explain,
    "top": reading.top,
}

app = typer.Typer(
    name="kubectl-enj",
    help="EfficientNet training jobs: submit them, watch them, get the model.",
    no_args_is_help=True,
    # Plain help and errors: they are read in pipes too, and rich takes longer than a command.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, _command in COMMANDS.items():
    app.command(_name)(guard(_command))


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("efficientnet-operator"))
        raise typer.Exit


@app.callback()
def _begin(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """EfficientNet training jobs: submit them, watch them, get the model."""
