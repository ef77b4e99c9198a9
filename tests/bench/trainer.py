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

import yaml
from efficientnet_operator.api.spec import EfficientNetJobSpec
from efficientnet_operator.core.trainer_flags import build_trainer_flags
from reporting import Figures, report

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PYTHON = ROOT / "trainer/.venv/bin/python"


def digits_recipe() -> list[str]:
    """Return the flags of the demo's job; what a run is about replaces some of them."""
    job = yaml.safe_load((ROOT / "deploy/examples/digits-b0.yaml").read_text())
    spec = EfficientNetJobSpec.model_validate(job["spec"])
    return ["--size", str(spec.model.image_size), "--", *build_trainer_flags(spec)]


PARTS = {
    "input": [
        ["input_speed.py", "--threads", "1"],
        ["input_speed.py", "--threads", "2"],
        ["input_wait.py"],
    ],
    "digits": [["digits_accuracy.py", *digits_recipe()]],
}
"""Command lines by name; ``--folder`` is put in: an empty folder that a part's lines share."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)} (default: all)")
    chosen = parser.parse_args().parts or list(PARTS)
    for part in chosen:
        if part not in PARTS:
            parser.error(f"there is no part {part}; there are {', '.join(PARTS)}")
    rows: list[Figures] = []
    facts: dict[str, object] = {}
    for part in chosen:
        with tempfile.TemporaryDirectory() as folder:
            for words in PARTS[part]:
                measured = run(words, folder)
                rows += [Figures(**row) for row in measured["rows"]]
                facts |= measured["facts"]
    return 0 if report("trainer", rows, facts) else 1


def run(words: list[str], folder: str) -> dict:
    """Run one line of a part and return what it measured."""
    script, *flags = words
    done = subprocess.run(
        [str(PYTHON), "-W", "ignore", str(HERE / "trainer" / script), "--folder", folder, *flags],
        stdout=subprocess.PIPE,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"},
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main())
