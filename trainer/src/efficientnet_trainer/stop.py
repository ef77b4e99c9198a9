"""Hear SIGTERM in a process that TensorFlow keeps busy, and end it in time in any case.

Python runs signal handlers between bytecodes, which a rank inside a collective does not
reach.  So the C-level handler writes to a pipe, and a thread of ours reads it: it raises
the flag that ``hooks`` all-reduces, and ends the process hard when the grace period is
over.  Install it before TensorFlow is imported: the import takes seconds.

A rank that has yet to join the others for the first step leaves at once: it has nothing to
save, and would wait in TensorFlow for ranks that have left.
"""

import os
import signal
import sys
import threading
from typing import Any, Callable, List, Mapping, Optional

from efficientnet_trainer.cluster import CPU
from efficientnet_trainer.errors import ConfigError
from efficientnet_trainer.termination import STOPPED, TRANSIENT

GRACE_VARIABLE = "ENJ_STOP_GRACE_S"
GRACE_ON_CPU_S = 110.0
GRACE_ON_NPU_S = 590.0
"""Pods have 120 s on CPUs and 600 s on NPUs, whose loops cannot be interrupted; what is left
is for the launcher."""


class StopFlag:
    """Whether a stop was asked for, and what there is to save.

    Attributes:
        releases: called, in this order, before a rank leaves that has not joined the others.
    """

    def __init__(self) -> None:
        """Start with no stop asked for."""
        self._requested = threading.Event()
        self._saved = threading.Event()
        self._joining = False
        self._leaving = threading.Lock()
        self.releases: List[Callable[[], None]] = []

    @property
    def requested(self) -> bool:
        """Whether this process was told to stop."""
        return self._requested.is_set()

    @property
    def saved(self) -> bool:
        """Whether a checkpoint was written after the stop was asked for."""
        return self._saved.is_set()

    def request(self) -> None:
        """Ask for a stop at the next step."""
        self._requested.set()

    def note_saved(self) -> None:
        """Note that a checkpoint was written; counts only once a stop is asked for."""
        if self.requested:
            self._saved.set()

    def note_joining(self) -> None:
        """Note that a training begins: until the ranks have joined there is nothing to save."""
        self._joining = True

    def note_joined(self) -> None:
        """Note that the ranks are together, and will stop together; blocks a rank that leaves."""
        with self._leaving:
            self._joining = False

    def leave_if_joining(self, leave: Callable[[], None]) -> None:
        """Release and leave, unless the ranks have joined; ``leave`` must end the process."""
        with self._leaving:
            if self._joining:
                for release in self.releases:
                    release()
                leave()


def stop_grace_s(env: Mapping[str, str]) -> float:
    """Return the seconds between SIGTERM and the hard exit.

    Raises:
        ConfigError: the variable is no positive number.
    """
    on_cpu = env.get("ENJ_ACCELERATOR", CPU) == CPU
    text = env.get(GRACE_VARIABLE, str(GRACE_ON_CPU_S if on_cpu else GRACE_ON_NPU_S))
    try:
        grace_s = float(text)
    except ValueError:
        grace_s = 0.0
    if grace_s <= 0:
        raise ConfigError(
            f"the variable {GRACE_VARIABLE} is {text!r}, not a positive number of seconds"
        )
    return grace_s


def install(
    flag: StopFlag,
    grace_s: float,
    leave: Callable[[], None],
    leave_late: Callable[[int], None],
) -> None:
    """Let SIGTERM and SIGINT raise the flag, and end the process after the grace period.

    Args:
        flag: what ``hooks`` looks at each step.
        grace_s: seconds until the hard exit.
        leave: called where the ranks have not joined; must end the process.
        leave_late: called with the exit code after the grace period, and must end the process:
            143 where a checkpoint was written after the signal, else 75.

    Must be called in the main thread.
    """
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _no_op)
    threading.Thread(
        target=_wait_and_end,
        args=(read_end, flag, grace_s, leave, leave_late),
        name="stop",
        daemon=True,
    ).start()


def _no_op(_number: int, _frame: Optional[Any]) -> None:
    """Keep the default handler away; the pipe has the news."""


def _wait_and_end(
    read_end: int,
    flag: StopFlag,
    grace_s: float,
    leave: Callable[[], None],
    leave_late: Callable[[int], None],
) -> None:
    while not set(os.read(read_end, 64)) & {signal.SIGTERM, signal.SIGINT}:
        pass
    flag.request()
    sys.stderr.write(f"asked to stop: what was done is saved, within {grace_s:g} s\n")
    sys.stderr.flush()
    # Another thread: a release may hang with the file system that it goes to.
    threading.Thread(target=flag.leave_if_joining, args=(leave,), daemon=True).start()
    threading.Event().wait(grace_s)
    leave_late(STOPPED if flag.saved else TRANSIENT)
