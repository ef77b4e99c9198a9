"""`make verify` tells changed, new and missing files from a folder that git does not know."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "tools/verify.sh"
GIT = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")


def run(folder):
    return subprocess.run([folder / "tools/verify.sh"], capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for name in ("tools", "deploy/crd", "charts", "docs/reference"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.yaml").write_text("a: 1\n")
    shutil.copy(SCRIPT, tmp_path / "tools")
    return tmp_path


@pytest.fixture
def clone(folder):
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "a"]):
        subprocess.run([*GIT, *arguments], cwd=folder, check=True)
    return folder


def test_what_is_committed_passes(clone):
    (clone / "tools/new.py").write_text("not generated")
    assert (run(clone).returncode, run(clone).stderr) == (0, "")


CHANGES = {
    "a changed file": (lambda root: (root / "charts/a.yaml").write_text("a: 2\n"), "+a: 2"),
    "a new file": (lambda root: (root / "deploy/crd/b.yaml").touch(), "?? deploy/crd/b.yaml"),
    "a file that is gone": (lambda root: (root / "deploy/crd/a.yaml").unlink(), "-a: 1"),
}


@pytest.mark.parametrize("change, shown", CHANGES.values(), ids=CHANGES)
def test_a_difference_is_shown(clone, change, shown):
    change(clone)
    done = run(clone)
    assert done.returncode == 1
    assert shown in done.stderr
    assert "commit the output of 'make generate'" in done.stderr


def test_a_folder_that_is_no_repository_is_not_called_different(folder):
    done = run(folder)
    assert done.returncode == 1
    assert "not a git repository" in done.stderr
    assert "run it in a git clone" in done.stderr
    assert "differ" not in done.stderr


def test_a_checkout_of_another_user_is_compared(clone, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert run(clone).returncode == 0
