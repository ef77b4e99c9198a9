"""Write lines where they are read: a terminal is painted over, a pipe gets plain lines."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from typing import TextIO

from efficientnet_operator.enj.status_view import Line

COLOURS = {"good": "32", "bad": "31", "waiting": "33", "dim": "2"}


def is_terminal(stream: TextIO) -> bool:
    """Tell whether a person looks at a stream, on a screen that can be painted."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def colour(line: Line, colours: bool) -> str:
    """Return a line's text in the colour of its tone, where colours are wanted."""
    code = COLOURS.get(line.tone) if colours else None
    return f"\x1b[{code}m{line.text}\x1b[0m" if code else line.text


def fit(lines: Sequence[Line], columns: int, rows: int) -> list[Line]:
    """Return as many lines as a screen holds, each cut to its width, so that none wraps."""
    kept = list(lines)
    if len(kept) > rows - 1:
        hidden = len(kept) - (rows - 2)
        kept = [*kept[: rows - 2], Line(f"  ... {hidden} more lines", "dim")]
    return [Line(line.text[: columns - 1], line.tone) for line in kept]


class Painter:
    """Paints one view over the last.

    Args:
        stream: where to; standard output by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._terminal = is_terminal(self._stream)
        self._colours = self._terminal and "NO_COLOR" not in os.environ
        self._painted = 0

    def paint(self, lines: Sequence[Line], over: bool = False) -> None:
        """Write lines; ``over`` those of the last call, on a terminal."""
        shown = list(lines)
        text = ""
        if over and self._terminal:
            columns, rows = shutil.get_terminal_size()
            shown = fit(lines, columns, rows)
            text = f"\x1b[{self._painted}A\r\x1b[J" if self._painted else ""
            self._painted = len(shown)
        text += "".join(f"{colour(line, self._colours)}\n" for line in shown)
        self._stream.write(text)
        self._stream.flush()
