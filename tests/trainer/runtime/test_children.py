"""Which child's end counts, with real processes in the ranks' place."""

import os
import signal
import sys
import time

import pytest
from efficientnet_trainer.children import Child, supervise

pytestmark = pytest.mark.timeout(60)


class Quiet:
    """Signals of a launcher that received none."""

    received = None


def start(*programs):
    return [
        Child(rank, [sys.executable, "-c", program], dict(os.environ), mark=True)
        for rank, program in enumerate(programs)
    ]


SLEEP = "import time; time.sleep(50)"
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(50)"

ENDINGS = {
    "all succeed: the lowest rank speaks": (["pass", "pass"], 0, 0),
    "one fails: it speaks, the other is ended": ([SLEEP, "exit(9)"], 1, 9),
    "success does not end the others": (["pass", "import time; time.sleep(1); exit(4)"], 1, 4),
    "killed by a signal counts as 128 and its number": (
        ["import os; os.kill(os.getpid(), 9)", SLEEP],
        0,
        137,
    ),
    "ended by SIGTERM before it could listen": (
        ["import os; os.kill(os.getpid(), 15)", SLEEP],
        0,
        143,
    ),
}


@pytest.mark.parametrize("programs, rank, code", ENDINGS.values(), ids=ENDINGS)
def test_supervise(programs, rank, code):
    children = start(*programs)
    ending = supervise(children, Quiet(), stop_grace_s=1)
    assert (ending.rank, ending.exit_code) == (rank, code)
    assert all(child.poll() is not None for child in children)


def test_of_failures_at_once_a_permanent_one_counts():
    children = start("exit(75)", "exit(3)")
    while any(child.poll() is None for child in children):
        time.sleep(0.05)
    assert supervise(children, Quiet(), stop_grace_s=1).exit_code == 3


def test_a_sibling_that_ignores_sigterm_is_killed(capfd):
    children = start("exit(1)", DEAF)
    started = time.monotonic()
    assert supervise(children, Quiet(), stop_grace_s=1).rank == 0
    assert time.monotonic() - started < 15
    assert children[1].ending().signal_name in ("SIGKILL", "SIGTERM")


def test_a_signal_is_forwarded_once_and_all_may_finish():
    program = (
        "import signal, sys, time\n"
        "signal.signal(15, lambda *_: (time.sleep(0.5), sys.exit(143)))\n"
        "print('ready', flush=True)\n"
        "time.sleep(50)"
    )
    children = start(program, program)
    time.sleep(2)

    class Told:
        received = signal.SIGTERM

    ending = supervise(children, Told(), stop_grace_s=20)
    assert ending.exit_code == 143
    assert [child.poll() for child in children] == [143, 143]


def test_lines_are_marked_with_their_rank_and_the_last_error_is_kept(capfd):
    program = "import sys; print('out'); sys.stderr.write('first\\nlast words\\n\\n'); exit(1)"
    ending = supervise(start("pass", program), Quiet(), stop_grace_s=1)
    assert ending.last_error_line == "last words"
    output = capfd.readouterr()
    assert "[rank 1] out" in output.out
    assert "[rank 1] first" in output.err
