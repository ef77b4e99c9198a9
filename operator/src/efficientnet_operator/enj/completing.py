"""Tell kubectl what may come next on its command line.

Source: kubectl runs ``kubectl_complete-enj`` with the words after ``enj``, the last of which is
being typed; it wants a candidate a line, then ``:`` and cobra's directive, 4: no file names.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import typer

from efficientnet_operator.enj.main import app
from efficientnet_operator.enj.options import connect
from efficientnet_operator.sdk.errors import EnjError

FILES, NO_FILES = ":0", ":4"
VALUES = {"--output": ("table", "wide", "json", "yaml", "name")}
TAKES_FILE = {"-f", "--filename", "--kubeconfig"}


def print_completions(words: Sequence[str]) -> None:
    """Print the candidates for the last word."""
    candidates, directive = find_completions(words)
    print("\n".join([*candidates, directive]))


def find_completions(words: Sequence[str]) -> tuple[list[str], str]:
    """Return what the last word may become, and what else the shell may offer."""
    *before, last = words or [""]
    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    if not before or before[0] not in commands:
        return [name for name in commands if name.startswith(last)], NO_FILES
    params = commands[before[0]].params
    if before[-1] in TAKES_FILE and before[0] != "logs":
        return [], FILES
    if before[-1] in ("-o", "--output"):
        return [v for v in VALUES["--output"] if v.startswith(last)], NO_FILES
    if last.startswith("-"):
        options = [o for p in params for o in p.opts if o.startswith("--")]
        return sorted(o for o in options if o.startswith(last)), NO_FILES
    if not any(p.param_type_name == "argument" for p in params):
        return [], NO_FILES
    return _find_jobs(before, last), NO_FILES


def _find_jobs(before: Sequence[str], last: str) -> list[str]:
    given: dict[str, str] = dict(pairwise(before))
    namespace = given.get("-n") or given.get("--namespace")
    try:
        with connect(namespace, given.get("--kubeconfig"), given.get("--context")) as client:
            return sorted(s.name for s in client.list() if s.name.startswith(last))
    except EnjError:
        return []
