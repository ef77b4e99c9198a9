"""Measure the trainer: each part runs on the trainer's own Python, all are reported together.

A part is a script in tests/bench/trainer that prints one line of JSON: ``rows`` with the
fields of ``reporting.Figures``, and ``facts``.

    make bench-trainer
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from reporting import Figures, report

HERE = Path(__file__).resolve().parent
PYTHON = HERE.parents[1] / "trainer/.venv/bin/python"

PARTS = {
    "input": [["input_speed.py", "--threads", "1"], ["input_speed.py", "--threads", "2"]],
    "digits": [["digits_accuracy.py"]],
}
"""Command lines by name; ``--folder`` is added: an empty folder that a part's lines share."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)} (default: all)")
    chosen = parser.parse_args().parts or list(PARTS)
    rows: list[Figures] = []
    facts: dict[str, object] = {}
    for part in chosen:
        with tempfile.TemporaryDirectory() as folder:
            for words in PARTS[part]:
                measured = run([*words, "--folder", folder])
                rows += [Figures(**row) for row in measured["rows"]]
                facts |= measured["facts"]
    return 0 if report("trainer", rows, facts) else 1


def run(words: list[str]) -> dict:
    """Run one part and return what it measured."""
    script, *flags = words
    done = subprocess.run(
        [str(PYTHON), "-W", "ignore", str(HERE / "trainer" / script), *flags],
        stdout=subprocess.PIPE,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"},
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main())
