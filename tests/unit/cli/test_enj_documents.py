"""The reference of the commands is generated, and the shell is told what may come next."""

import subprocess
import sys
from pathlib import Path

import pytest
from efficientnet_operator.enj.completing import find_completions
from efficientnet_operator.enj.documenting import build_reference, main
from efficientnet_operator.enj.main import COMMANDS
from efficientnet_operator.enj.options import complete_jobs
from sdk_builders import a_job

ENTRY = "efficientnet_operator.enj.entry"
ROOT = Path(__file__).parents[3]


def test_no_drift():
    page = ROOT / "docs/reference/kubectl-enj.md"
    assert page.read_text() == build_reference(), "run `make generate` and commit what it writes"


def test_the_page_is_written_where_it_is_wanted(tmp_path, capsys):
    main(["--reference", str(tmp_path / "a")])
    assert Path(capsys.readouterr().out.strip()).read_text() == build_reference()


def test_the_guide_names_every_command():
    guide = (ROOT / "docs/kubectl-enj.md").read_text() + build_reference()
    assert not [name for name in COMMANDS if f"kubectl enj {name}" not in guide]


COMPLETIONS = {
    "commands": (["s"], ["submit", "status", "suspend"], ":4"),
    "nothing yet": ([""], list(COMMANDS), ":4"),
    "options": (["wait", "--f"], ["--for"], ":4"),
    "forms": (["list", "-o", "j"], ["json"], ":4"),
    "files": (["submit", "-f", ""], [], ":0"),
    "no names for list": (["list", ""], [], ":4"),
    "jobs": (["status", "b"], ["b0", "b1"], ":4"),
    "jobs after options": (["logs", "-n", "team", "b1"], ["b1"], ":4"),
}


@pytest.mark.parametrize("words, want, directive", COMPLETIONS.values(), ids=COMPLETIONS)
def test_kubectl_is_told_what_may_come_next(api, enj, words, want, directive):
    for name in ("b0", "b1", "c0"):
        api.add_job(a_job(name))
    assert find_completions(words) == (want, directive)


def test_no_jobs_where_the_cluster_does_not_tell(api, enj):
    api.refusals["GET", "/apis"] += [(403, b"no")] * 2
    assert find_completions(["status", ""]) == ([], ":4")

    class Line:
        params = {"namespace": None}  # noqa: RUF012

    assert complete_jobs(Line(), "b") == []
    api.add_job(a_job())
    assert complete_jobs(Line(), "b") == ["b0"]


@pytest.mark.parametrize("script", ["main", "complete"])
def test_what_is_missing_is_said_in_a_line(script):
    code = f"import sys; sys.modules['typer'] = None; from {ENTRY} import {script}; {script}()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        1,
        "kubectl enj: typer is not installed; run: pip install 'efficientnet-operator[cli]'\n",
    )
