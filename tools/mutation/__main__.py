"""Try the mutants of the core's decisions, and fail where too many survive.

Usage: python -m mutation [GROUP...], of mutation/groups.py; none means all.
build/mutation keeps mutmut's folders, so that an interrupted run goes on where
it stopped, and what a run found: scores.txt and survivors.diff.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from mutation.groups import GROUPS
from mutation.results import Score, build_table, parse_verdicts, score_modules

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build/mutation"
LAYOUT = {"src": "operator/src", "pytest.ini": "pytest.ini", "tests": "tests"}
"""Where mutmut looks for things, below the folder it runs in, and where they are."""
WANTED_PERCENT = 90.0


def main() -> int:
    """Run mutmut for each group, then print the scores and write the survivors down."""
    parser = argparse.ArgumentParser(prog="mutation", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--keep", action="store_true", help="keep the verdicts of earlier runs")
    arguments = parser.parse_args()
    if unknown := set(arguments.groups) - set(GROUPS):
        parser.error(f"no group {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    scores: dict[str, Score] = {}
    survivors: list[str] = []
    for group in arguments.groups or GROUPS:
        folder = lay_out(group, arguments.keep)
        if code := run_mutmut(folder, "run").returncode:
            return code
        printed = run_mutmut(folder, "results", "--all", "true", stdout=subprocess.PIPE).stdout
        found = score_modules(parse_verdicts(printed))
        scores |= found
        survivors += show_survivors(folder, found.values())
    table = build_table(scores)
    (FOLDER / "scores.txt").write_text(table + "\n")
    (FOLDER / "survivors.diff").write_text("\n".join(survivors))
    print(f"{table}\nsurvivors: {(FOLDER / 'survivors.diff').relative_to(ROOT)}")
    poor = [name for name, score in scores.items() if score.percent < WANTED_PERCENT]
    if poor:
        print(f"fewer than {WANTED_PERCENT:g} % were killed in: {', '.join(poor)}")
    return 1 if poor else 0


def lay_out(group: str, keep: bool) -> Path:
    """Return the folder that mutmut runs in: links to what it reads, and its configuration.

    Verdicts are kept only if asked for: mutmut tries a mutant again when its function changes,
    not when a test does.
    """
    folder = FOLDER / group
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    for name, target in LAYOUT.items():
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(ROOT / target)
    (folder / "setup.cfg").write_text(GROUPS[group].to_config())
    return folder


def run_mutmut(
    folder: Path, *arguments: str, stdout: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run mutmut in a group's folder."""
    command = [str(Path(sys.executable).with_name("mutmut")), *arguments]
    return subprocess.run(command, cwd=folder, stdout=stdout, text=True, check=False)


def show_survivors(folder: Path, scores: Iterable[Score]) -> list[str]:
    """Return what each survivor changes, as a diff under its name."""
    from mutmut.configuration import reset_config
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    os.chdir(folder)  # where mutmut looks for its configuration
    reset_config()
    names = [name for score in scores for name in score.survivors]
    return [f"# {name}\n{get_diff_for_mutant(name)}" for name in names]


if __name__ == "__main__":
    sys.exit(main())
