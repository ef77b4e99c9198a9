"""The console scripts: they say in a line what to install where the extra ``cli`` is missing."""

from __future__ import annotations

import sys

MISSING = "kubectl enj: typer is not installed; run: pip install 'efficientnet-operator[cli]'"


def main() -> None:
    """Run one command of ``kubectl enj``."""
    try:
        import typer  # noqa: F401 (only to see whether it is there)
    except ModuleNotFoundError:
        sys.exit(MISSING)
    from efficientnet_operator.enj.main import app

    app()


def complete() -> None:
    """Answer kubectl, which asks ``kubectl_complete-enj`` what may come next."""
    try:
        from efficientnet_operator.enj.completing import print_completions
    except ModuleNotFoundError:
        sys.exit(MISSING)
    print_completions(sys.argv[1:])
