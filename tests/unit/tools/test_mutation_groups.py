"""What mutation testing covers: all stages, and tests that exist."""

from pathlib import Path

from mutation.groups import GROUPS

ROOT = Path(__file__).parents[3]
CORE = ROOT / "operator/src/efficientnet_operator/core"


def test_the_rank_table_the_failures_and_all_of_the_reconciler_are_mutated_once():
    mutated = [module for group in GROUPS.values() for module in group.modules]
    stages = {f"stages.{p.stem}" for p in CORE.glob("stages/[a-z]*.py")}
    rest = {"draft", "failure", "failure_rules", "rank_table", "rank_table_checks", "reconcile"}
    assert set(mutated) == stages | rest
    assert len(mutated) == len(set(mutated))


def test_what_is_mutated_and_what_judges_it_exists():
    for group in GROUPS.values():
        paths = [line.strip() for line in group.to_config().splitlines() if line.startswith(" ")]
        assert len(paths) == len(group.modules) + len(group.tests)
        for path in paths:
            assert (ROOT / "operator" / path).exists() or (ROOT / path).exists(), path
