"""Write what is generated from the models: the CRD and the reference page.

``make verify`` runs it and fails on a difference.
Usage: python -m efficientnet_operator.api.generate --crd DIR [--crd DIR] --reference DIR
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import yaml

from efficientnet_operator.api import names
from efficientnet_operator.api.crd import build_crd
from efficientnet_operator.api.docs import build_reference

_HEADER = """\
# Generated from efficientnet_operator.api by `make verify`; do not edit.
"""


def format_crd() -> str:
    """Return the CRD as block-style YAML under a header that says where it comes from."""
    body = yaml.safe_dump(build_crd(), sort_keys=False, width=99, allow_unicode=True)
    return _HEADER + body


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the files into the folders that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crd", type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--reference", type=Path, action="append", default=[], metavar="DIR")
    options = parser.parse_args(arguments)
    for folder in options.crd:
        _write(folder / f"{names.PLURAL}.yaml", format_crd())
    for folder in options.reference:
        _write(folder / f"{names.SINGULAR}.md", build_reference())


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
