"""Measure what the trainer adds to TensorFlow: to a step, to the start, to memory.

Each beside the same done bare in the same run: steps of a real run against
session.run of its own graph, in turns in one process; the first step of
`efficientnet-trainer train` against import, graph and first run of a script.
Network: b0 at 32 pixels. Bars: a step at most 1 / 0.97 of the bare one, a
start at most 1.5 times the bare one.

    make bench-trainer
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from reporting import Figures, report

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / "trainer/.venv/bin/python"
PARTS = Path(__file__).resolve().parent / "trainer"
STAGES = ("import", "graph", "session", "first_step")
STEP_BAR = 1 / 0.97
START_BAR = 1.5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--steps", type=int, default=10, help="of each kind in a round")
    parser.add_argument("--batch", type=int, default=16)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "digits"
        run_trainer("prepare", "digits", "--out", str(data), "--size", "32", "--format", "png")
        rows = measure_steps(data, args) + measure_starts(data, Path(folder), args)
    return 0 if report("trainer-loop", rows) else 1


def measure_steps(data: Path, args: argparse.Namespace) -> list[Figures]:
    words = ["--rounds", str(args.rounds), "--steps", str(args.steps), "--batch", str(args.batch)]
    found = json.loads(run_part("step_rounds.py", str(data), *words))
    hooked, bare = statistics.median(found["hooked"]), statistics.median(found["bare"])
    return [
        Figures(
            "step, images/s", [args.batch / s for s in found["hooked"]], floor=args.batch / bare
        ),
        Figures("step, time over bare", [hooked / bare], bar=STEP_BAR),
        Figures("training, largest memory, MB", [found["peak_mb"]]),
    ]


def measure_starts(data: Path, folder: Path, args: argparse.Namespace) -> list[Figures]:
    """Start both in turns, so that what else the machine does meets both."""
    bare, own = [], []
    for number in range(args.starts):
        bare.append(json.loads(run_part("bare_start.py", str(args.batch))))
        own.append(start_trainer(data, folder / str(number), args.batch))
    rows = []
    for stage in STAGES:
        floor = statistics.median(each["stages"][stage] for each in bare)
        rows.append(Figures(f"start, {stage}, s", [s[stage] for s in own], floor=floor))
    totals = [sum(stages.values()) for stages in own]
    floor = statistics.median(sum(each["stages"].values()) for each in bare)
    rows.append(Figures("start to first step, s", totals, floor=floor))
    ratio = statistics.median(totals) / floor
    rows.append(Figures("start, time over bare", [ratio], bar=START_BAR))
    rows.append(Figures("bare start, largest memory, MB", [each["peak_mb"] for each in bare]))
    return rows


def start_trainer(data: Path, model_dir: Path, batch: int) -> dict[str, float]:
    """Train one step and return the seconds of each stage, as the trainer's log has them."""
    log = run_trainer(
        "train",
        f"--data_dir={data}",
        f"--model_dir={model_dir}",
        "--mode=train",
        "--train_steps=1",
        "--num_train_images=1437",
        "--num_label_classes=10",
        "--input_image_size=32",
        "--crop_and_flip=false",
        f"--train_batch_size={batch}",
    )
    line = re.search(r"^first step [\d.]+ s after the start: (.*)$", log, re.M)
    if line is None:
        raise RuntimeError(f"no line on the start in the trainer's log:\n{log}")
    return {name: float(s) for name, s in re.findall(r"(\w+) ([\d.]+)", line[1])}


def run_trainer(*words: str) -> str:
    return run([str(PYTHON), "-m", "efficientnet_trainer.cli", *words])


def run_part(name: str, *words: str) -> str:
    """Run a script of this benchmark on the trainer's Python and return its last line."""
    return run([str(PYTHON), str(PARTS / name), *words]).splitlines()[-1]


def run(command: list[str]) -> str:
    env: dict[str, Any] = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
