"""Lines for a log, and a bar for whoever watches a terminal."""

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios

import pytest

PROGRAM = """
import time
from efficientnet_trainer.console import Console
console = Console(40)
console.start(10)
console.show(20, 0.5, None)
console.say("step:20  epoch:1.0")
time.sleep(0.2)  # a bar is drawn ten times a second at most
console.show(30, 0.25, 148.2)
console.close()
"""


def watched(program):
    """Run a program whose standard error is a terminal; return its output and what it drew."""
    main, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=terminal
    ) as process:
        os.close(terminal)
        drawn = b""
        try:
            while True:
                drawn += os.read(main, 4096)
        except OSError:  # Linux's word for the end of a terminal
            pass
        os.close(main)
        return process.stdout.read().decode(), drawn.decode()


def test_a_terminal_has_a_bar_and_the_lines():
    out, drawn = watched(PROGRAM)
    assert out == "step:20  epoch:1.0\n"
    assert "10/40" in drawn
    assert re.search(r"75%.*30/40.*loss 0\.250 148 images/s", drawn)


@pytest.mark.parametrize("stream", [subprocess.PIPE, subprocess.DEVNULL])
def test_a_log_has_the_lines_alone(stream):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=stream, text=True
    )
    assert (done.stdout, done.stderr or "") == ("step:20  epoch:1.0\n", "")
