"""The commands in this process, against the SDK's stand-in for an API server."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "sdk"))

from api_stand_in import ApiStandIn, write_kubeconfig
from efficientnet_operator.enj.main import app
from typer.testing import CliRunner


@pytest.fixture
def api():
    with ApiStandIn().serve() as server:
        yield server


@pytest.fixture
def enj(api, tmp_path, monkeypatch):
    """Run a command; return its exit code, what it printed, and what it said of errors."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "kubeconfig", api.url)))

    def run(*words, stdin=None):
        done = CliRunner().invoke(app, [str(word) for word in words], input=stdin)
        return done.exit_code, done.stdout, done.stderr

    return run
