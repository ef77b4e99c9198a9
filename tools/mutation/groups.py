"""Which modules are mutated together, and by which tests of tests/unit/core they are judged.

A mutant costs what it takes to collect and run the tests that reach it, so that
each group has those alone that are about its modules. Properties are left out:
they take seconds for what a table test says at once, and find a mutant by luck.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """Modules, by their names below the core, and test files, without ``test_core_``."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]

    def to_config(self) -> str:
        """Return mutmut's setup.cfg."""
        mutated = [
            f"src/efficientnet_operator/core/{m.replace('.', '/')}.py" for m in self.modules
        ]
        selected = [f"tests/unit/core/test_core_{t}.py" for t in self.tests]
        return "\n".join(
            [
                "[mutmut]",
                "source_paths=src",
                "only_mutate=",
                *(f"    {path}" for path in mutated),
                "also_copy=pytest.ini",
                "pytest_add_cli_args_test_selection=",
                *(f"    {path}" for path in selected),
                "pytest_add_cli_args=--hypothesis-seed=0",
                # By the clock on the wall: a busy machine must not count as a kill.
                "timeout_constant=5.0",
                "timeout_multiplier=3.0",
                "",
            ]
        )


GROUPS = {
    "rank_table": Group(
        ("rank_table", "rank_table_checks"), ("rank_table", "rank_table_checks", "contract")
    ),
    "failure": Group(("failure", "failure_rules"), ("failure", "failure_rules")),
    "reconcile": Group(("reconcile",), ("reconcile", "restarts", "limits", "suspension", "kueue")),
    "draft": Group(("draft",), ("reconcile", "restarts", "limits", "suspension", "waits")),
    "ends": Group(
        ("stages.judging", "stages.ending", "stages.finishing", "stages.limiting"),
        ("restarts", "limits", "failure_rules", "suspension", "reconcile", "losses", "waits"),
    ),
    "losses": Group(
        ("stages.losing", "stages.clearing"), ("losses", "restarts", "limits", "gangs", "waits")
    ),
    "starts": Group(
        ("stages.creating", "stages.ganging", "stages.scheduling"),
        ("reconcile", "gangs", "host_groups", "waiting", "kueue", "kueue_holds", "waits"),
    ),
    "runs": Group(
        ("stages.publishing", "stages.running"), ("reconcile", "running", "waiting", "waits")
    ),
    "holds": Group(
        ("stages.suspending", "stages.queueing"), ("suspension", "kueue", "kueue_holds")
    ),
}
