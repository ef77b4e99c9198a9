"""Write the reference page of ``kubectl enj`` from its commands and exit codes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import typer

from efficientnet_operator.enj.exit_codes import MEANINGS
from efficientnet_operator.enj.main import app
from efficientnet_operator.pages import write_page

PAGE = "kubectl-enj.md"
COMMON = {"--namespace", "--kubeconfig", "--context"}
HEAD = """<!-- Generated from efficientnet_operator.enj by `make verify`; do not edit. -->
# Commands of kubectl enj

How they are used is in the [guide](../kubectl-enj.md). `kubectl enj COMMAND --help` prints the
same.
"""


def build_reference() -> str:
    """Return the page in Markdown, equal at every call."""
    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    lines = [HEAD, "## Options of every command that speaks with a cluster", ""]
    lines += _options(p for p in commands["list"].params if p.opts[0] in COMMON)
    for name, command in commands.items():
        lines += ["", f"## {name}", "", "```text", _usage(name, command), "```", ""]
        lines += [line.strip() for line in str(command.help).splitlines()]
        own = [p for p in command.params if p.param_type_name == "option"]
        own = [p for p in own if p.opts[0] not in COMMON]
        if own:
            lines += ["", *_options(own)]
    lines += ["", "## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in MEANINGS.items()]
    return "\n".join(lines) + "\n"


def _usage(name: str, command: Any) -> str:
    words = ["kubectl enj", name]
    for param in command.params:
        if param.param_type_name == "argument":
            word = param.metavar or param.name.upper()
            words.append(word if param.required else f"[{word}]")
    return " ".join([*words, "[OPTIONS]"])


def _options(params: Iterable[Any]) -> list[str]:
    """Return a table; every option that takes a value says which by its metavar."""
    lines = ["| option | meaning |", "|---|---|"]
    for param in params:
        names = ", ".join(f"`{option}`" for option in sorted(param.opts, key=len))
        value = f" {param.metavar}" if param.metavar else ""
        told = isinstance(param.default, str) and param.default
        default = f" Default: `{param.default}`." if told else ""
        lines.append(f"| {names}{value} | {param.help}{default} |")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page into the folder that the arguments name."""
    write_page(PAGE, build_reference, __doc__, arguments)


if __name__ == "__main__":
    main()
