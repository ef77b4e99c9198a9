"""Write a generated page of the reference where ``make generate`` wants it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path


def write_page(
    page: str, build: Callable[[], str], about: str | None, arguments: Sequence[str] | None
) -> None:
    """Write a page into the folder that the arguments name; print its path.

    Args:
        page: name of the file.
        build: returns its text.
        about: said by ``--help``.
        arguments: of the command line; None is this process's.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--reference", type=Path, required=True, metavar="DIR")
    path: Path = parser.parse_args(arguments).reference / page
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(build(), encoding="utf-8")
    print(path)
