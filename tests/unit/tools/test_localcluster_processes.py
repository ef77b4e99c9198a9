"""Daemons: outlive their starter's call, are never confused with another process."""

import dataclasses
import json
import os
import subprocess
import time

import pytest
from localcluster.errors import ClusterError
from localcluster.processes import Identity, ProcessTable, identify, is_alive, kill, tail


@pytest.fixture
def table(tmp_path):
    made = ProcessTable(tmp_path / "processes", tmp_path / "logs")
    yield made
    made.stop(*made.names())


def test_a_daemon_runs_until_it_is_stopped(table):
    started = table.start("sleeper", ["sleep", "600"])
    assert table.get("sleeper") == started
    assert os.getsid(started.pid) == started.pid, "a session of its own"
    table.stop("sleeper")
    assert not is_alive(started)
    assert table.names() == []


def test_a_daemon_that_runs_is_not_started_again(table):
    assert table.start("sleeper", ["sleep", "600"]) == table.start("sleeper", ["sleep", "600"])


def test_a_daemon_that_died_is_recorded_but_not_alive(table):
    identity = table.start("sleeper", ["sleep", "600"])
    kill([identity])
    assert table.get("sleeper") is None
    assert table.is_recorded("sleeper")
    assert table.start("sleeper", ["sleep", "600"]) != identity


def test_a_reused_pid_is_nobodys_daemon(table):
    with subprocess.Popen(["sleep", "600"]) as bystander:
        stranger = identify(bystander.pid)
        record = dataclasses.replace(stranger, started=stranger.started - 1)
        table.folder.mkdir()
        (table.folder / "old.json").write_text(json.dumps(dataclasses.asdict(record)))
        assert table.get("old") is None
        table.stop("old")
        assert is_alive(stranger), "it must not be killed"
        bystander.kill()


def test_a_process_of_an_earlier_boot_is_dead():
    now = identify(os.getpid())
    assert is_alive(now)
    assert not is_alive(dataclasses.replace(now, boot="another"))


def test_a_zombie_is_dead():
    with subprocess.Popen(["true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert identify(child.pid) is None


def test_killing_what_is_gone_is_no_error():
    kill([Identity(pid=2**22 - 1, started=0, boot="none")])


def test_a_daemon_gets_a_clean_environment(table, monkeypatch, tmp_path):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid")
    log = tmp_path / "own.log"
    table.start("env", ["sh", "-c", "env; exec sleep 600"], env={"ROLE": "guest"}, log=log)
    deadline = time.monotonic() + 5
    while "ROLE=guest" not in (log.read_text() if log.exists() else ""):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert "HTTPS_PROXY" not in log.read_text()


def test_waiting_ends_at_once_when_a_needed_daemon_ends(table):
    table.start("broken", ["sh", "-c", "sleep 0.2; echo E1123 no such flag >&2; exit 1"])
    started = time.monotonic()
    with pytest.raises(ClusterError, match=r"(?s)the API: broken has ended.*no such flag"):
        table.wait_until("the API", lambda: False, needs=["broken"], timeout_s=30)
    assert time.monotonic() - started < 10


def test_waiting_too_long_names_the_log(table):
    table.start("silent", ["sleep", "600"])
    with pytest.raises(ClusterError, match=r"(?s)not ready after 0 s.*silent\.log"):
        table.wait_until("the API", lambda: False, needs=["silent"], timeout_s=0.1)


LOGS = {
    "errors are picked from the noise": (
        ["I1123 fine", "E1123 10:00 bad", "I1123 fine", "F1123 10:01 worse"],
        ["E1123 10:00 bad", "F1123 10:01 worse"],
    ),
    "containerd's errors count": (
        ['level=info msg="x"', 'level=error msg="y"'],
        ['level=error msg="y"'],
    ),
    "a log without errors shows its end": (["I1123 one", "I1123 two"], ["I1123 one", "I1123 two"]),
}


@pytest.mark.parametrize("lines, want", LOGS.values(), ids=LOGS)
def test_tail(tmp_path, lines, want):
    log = tmp_path / "a.log"
    log.write_text("\n".join(lines))
    shown = tail(log).splitlines()
    assert shown == [f"last lines of {log}:", *(f"  {line}" for line in want)]


def test_a_missing_log_is_said(tmp_path):
    assert "no log at" in tail(tmp_path / "none.log")
