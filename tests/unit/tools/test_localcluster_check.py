"""`check` runs before anything is installed and says the way out."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from localcluster import check
from localcluster.errors import ClusterError

TOOLS = Path(check.__file__).resolve().parents[1]


def test_it_needs_only_the_standard_library():
    script = (
        f"import sys; sys.path.insert(0, {str(TOOLS)!r})\n"
        "from localcluster import __main__, check\n"
        "assert isinstance(check.find_problems(), list)"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", script], check=True)


@pytest.mark.parametrize("module", ["__main__", "check", "errors", "hierarchies"])
def test_its_syntax_is_that_of_python_3_9(module):
    source = (TOOLS / "localcluster" / f"{module}.py").read_text()
    compile_as_3_9 = "import ast, sys; ast.parse(sys.stdin.read(), feature_version=(3, 9))"
    subprocess.run([sys.executable, "-c", compile_as_3_9], input=source, text=True, check=True)


def test_another_user_is_told_to_use_sudo(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ClusterError, match=r"user id is 1000, wanted 0 \(root\).*sudo"):
        check.require()


def test_another_system_is_told_to_use_linux(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert check.find_problems() == [
        "the system is Darwin, wanted Linux; use a Linux (virtual) machine"
    ]
