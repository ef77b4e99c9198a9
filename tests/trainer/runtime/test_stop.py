"""The hard end of a process that does not come to its next step."""

import signal
import subprocess
import sys
import time

import pytest
from efficientnet_trainer.errors import ConfigError
from efficientnet_trainer.stop import StopFlag, stop_grace_s

pytestmark = pytest.mark.timeout(60)

PROGRAM = """
import os, sys, time
from efficientnet_trainer.stop import StopFlag, install
flag = StopFlag()
install(flag, 0.5, lambda code: os._exit(code))
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


@pytest.mark.parametrize("then, code", CODES.values(), ids=CODES)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_grace_period_ends_hard(then, code, number):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(then=then)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        assert process.stdout.readline() == b"ready\n"
        started = time.monotonic()
        process.send_signal(number)
        assert process.wait(20) == code
        assert time.monotonic() - started >= 0.5


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
