"""The hard end of a process that does not come to its next step."""

import contextlib
import signal
import subprocess
import sys
import threading
import time

import pytest
from efficientnet_trainer.errors import ConfigError
from efficientnet_trainer.stop import StopFlag, stop_grace_s

pytestmark = pytest.mark.timeout(60)

PROGRAM = """
import os, sys, time
from efficientnet_trainer.stop import StopFlag, install
flag = StopFlag()
flag.releases.append(lambda: print("released", flush=True))
install(flag, {grace_s}, lambda: os._exit(9), lambda code: os._exit(code))
{before}
print("ready", flush=True)
while not flag.requested:
    time.sleep(0.01)
{then}
time.sleep(50)
"""

CODES = {
    "nothing was saved": ("pass", 75),
    "a checkpoint was saved after the signal": ("flag.note_saved()", 143),
}


@contextlib.contextmanager
def started_program(grace_s, before="", then="pass"):
    """Run the program up to the line in which it is ready for a signal."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(grace_s=grace_s, before=before, then=then)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        assert process.stdout.readline() == b"ready\n"
        yield process


@pytest.mark.parametrize("then, code", CODES.values(), ids=CODES)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_grace_period_ends_hard(then, code, number):
    with started_program(0.5, then=then) as process:
        started = time.monotonic()
        process.send_signal(number)
        assert process.wait(20) == code
        assert time.monotonic() - started >= 0.5


def test_a_rank_that_is_joining_releases_and_leaves_at_once():
    with started_program(1000, "flag.note_joining()") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 9
        assert process.stdout.read() == b"released\n"


def test_a_rank_that_has_joined_has_its_grace():
    with started_program(0.5, "flag.note_joining(); flag.note_joined()") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 75
        assert process.stdout.read() == b""


def test_a_release_that_hangs_has_the_grace_as_well():
    hang = "flag.note_joining(); flag.releases.append(lambda: time.sleep(1000))"
    with started_program(0.5, hang) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 75


def test_a_rank_that_leaves_makes_no_step():
    flag, may_go = StopFlag(), threading.Event()
    flag.note_joining()
    leaving = threading.Thread(target=flag.leave_if_joining, args=(may_go.wait,))
    leaving.start()
    step = threading.Thread(target=flag.note_joined)
    step.start()
    step.join(0.2)
    assert step.is_alive()
    may_go.set()  # a test's process does not end
    step.join(20)
    leaving.join(20)


def test_a_save_before_the_signal_does_not_count():
    flag = StopFlag()
    flag.note_saved()
    flag.request()
    assert not flag.saved
    flag.note_saved()
    assert flag.saved


@pytest.mark.parametrize("text", ["", "soon", "0", "-1"])
def test_a_grace_period_that_is_no_time_is_refused(text):
    with pytest.raises(ConfigError, match="ENJ_STOP_GRACE_S"):
        stop_grace_s({"ENJ_STOP_GRACE_S": text})


GRACES = {
    "on CPUs": ({"ENJ_ACCELERATOR": "CPU"}, 110.0),
    "on NPUs, whose loops are long": ({"ENJ_ACCELERATOR": "Ascend910"}, 590.0),
    "as the pod says": ({"ENJ_ACCELERATOR": "CPU", "ENJ_STOP_GRACE_S": "7.5"}, 7.5),
}


@pytest.mark.parametrize("env, grace_s", GRACES.values(), ids=GRACES)
def test_grace_periods(env, grace_s):
    assert stop_grace_s(env) == grace_s
