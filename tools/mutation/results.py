"""How many mutants of each module died, from the words of ``mutmut results``.

A mutant that no test reaches has survived, like one that the tests do not
mind. One that runs for ever is found by the clock, which is as good as a test.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

PACKAGE = "efficientnet_operator.core."
KILLED = frozenset({"killed", "timeout", "segfault"})
NOT_RUN = frozenset({"not checked", "check was interrupted by user"})
LINE = re.compile(r"\s*(?P<mutant>\S+__mutmut_\d+): (?P<verdict>.+)")


@dataclass(frozen=True)
class Score:
    """The mutants of one module.

    Attributes:
        killed: how many a test, or the clock, found.
        run: how many were tried.
        survivors: those that nothing found, by mutmut's name.
        left: how many were not tried.
    """

    killed: int
    run: int
    survivors: tuple[str, ...]
    left: int = 0

    @property
    def percent(self) -> float:
        """Share of the mutants that were found; 100 where there are none."""
        return 100 * self.killed / self.run if self.run else 100.0


def parse_verdicts(text: str) -> dict[str, str]:
    """Return mutant to verdict of what ``mutmut results --all true`` prints."""
    found = (LINE.fullmatch(line) for line in text.splitlines())
    return {match["mutant"]: match["verdict"].strip() for match in found if match}


def score_modules(verdicts: Mapping[str, str]) -> dict[str, Score]:
    """Return the score of each module, by its name below the core, as ``stages.judging``."""
    by_module: dict[str, dict[str, str]] = defaultdict(dict)
    for mutant, verdict in verdicts.items():
        by_module[module_of(mutant)][mutant] = verdict
    return {module: _score(found) for module, found in sorted(by_module.items())}


def module_of(mutant: str) -> str:
    """Return the module of a mutant, whose name is its module's and then a mangled function's."""
    return mutant.rpartition(".")[0].removeprefix(PACKAGE)


def _score(verdicts: Mapping[str, str]) -> Score:
    run = {mutant: verdict for mutant, verdict in verdicts.items() if verdict not in NOT_RUN}
    survivors = tuple(mutant for mutant, verdict in run.items() if verdict not in KILLED)
    left = len(verdicts) - len(run)
    return Score(len(run) - len(survivors), len(run), survivors, left)


def build_table(scores: Mapping[str, Score]) -> str:
    """Return the scores as a table, a line each, and one for all of them."""
    total = Score(
        sum(s.killed for s in scores.values()),
        sum(s.run for s in scores.values()),
        (),
        sum(s.left for s in scores.values()),
    )
    rows = [_row(name, score) for name, score in (*scores.items(), ("all", total))]
    return "\n".join([f"{'module':24} {'mutants':>8} {'killed':>8} {'%':>6}", *rows])


def _row(name: str, score: Score) -> str:
    left = f"  ({score.left} not tried)" if score.left else ""
    return f"{name:24} {score.run:8} {score.killed:8} {score.percent:6.1f}{left}"
