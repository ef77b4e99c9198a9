"""Find the commands that documents show: the lines of their ``sh`` blocks."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"\s{2,}# .*$")


def find_commands(document: Path) -> Iterator[str]:
    """Yield each command of a document, in their order, without the comment behind it.

    A command is what a shell takes as one: a line, lines with a backslash at their ends, or
    a whole ``case`` or ``for``.

    Raises:
        ValueError: a block ends in the middle of a command.
    """
    for block in _BLOCK.findall(document.read_text(encoding="utf-8")):
        command = ""
        for line in block.splitlines():
            command += _COMMENT.sub("", line) + "\n"
            if _is_whole(command):
                yield command.strip()
                command = ""
        if command.strip():
            raise ValueError(f"{document}: a block ends in the middle of {command!r}")


def _is_whole(command: str) -> bool:
    if command.rstrip().endswith("\\"):
        return False
    bash = shutil.which("bash") or "bash"
    checked = subprocess.run([bash, "-n", "-c", command], capture_output=True, check=False)
    return checked.returncode == 0
