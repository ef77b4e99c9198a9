"""Show how far ``prepare`` and ``inspect`` are: a bar on a terminal, plain lines otherwise."""

import sys
import time
from typing import Any, Optional

import tqdm

EVERY_S = 10.0
"""Between plain lines."""


class Teller:
    """Counts images; writes to standard error, for results go to standard output."""

    def __init__(self, total: Optional[int], done: int = 0) -> None:
        """Begin with ``done`` of ``total`` images; None where nobody knows how many."""
        self._total = total
        self._done = self._began_with = done
        self._began = self._told = time.monotonic()
        self._bar: Any = None
        if sys.stderr.isatty():
            self._bar = tqdm.tqdm(total=total, initial=done, unit="image", dynamic_ncols=True)

    def __enter__(self) -> "Teller":
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, images: int) -> None:
        """Count images that are done."""
        self._done += images
        if self._bar is not None:
            self._bar.update(images)
            return
        now = time.monotonic()
        if now - self._told >= EVERY_S:
            self._told = now
            rate = (self._done - self._began_with) / (now - self._began)
            total = f" of {self._total}" if self._total is not None else ""
            self.say(f"{self._done}{total} images, {rate:.0f} a second")

    def say(self, line: str) -> None:
        """Write a line, above the bar if there is one."""
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
