"""Copy what the documentation consists of, so that MkDocs finds it and no link changes.

Pages link to each other, to examples and to the chart by paths in the repository.  So the
site has the repository's layout: what is copied here keeps its place, and the links hold on
both.  `mkdocs.yml` says what is in the menu.

    python -m docsite TARGET
"""

import argparse
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATTERNS = (
    "*.md",
    "LICENSE",
    "Dockerfile.*",
    "docs/**/*",
    "deploy/**/*.yaml",
    "deploy/**/*.md",
    "charts/*/README.md",
    "charts/*/values.yaml",
    "charts/*/files/**/*",
    "tests/contract/README.md",
    "tools/README.md",
    "tools/mutation/groups.py",
)
"""Pages, and the files that they link to."""


def assemble(target: Path) -> list[Path]:
    """Copy all pages and what they link to; return what was copied, relative to the root."""
    shutil.rmtree(target, ignore_errors=True)
    found = {path for pattern in PATTERNS for path in ROOT.glob(pattern) if path.is_file()}
    for path in found:
        copy = target / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return sorted(path.relative_to(ROOT) for path in found)


def main() -> int:
    """Assemble the site's source where the command line says; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("target", type=Path)
    copied = assemble(parser.parse_args().target)
    print(f"site: {len(copied)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
