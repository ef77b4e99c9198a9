"""Train b0 on digits with one global batch on 1, 2 and 4 ranks, over several seeds.

Runs on the trainer's Python; ``trainer.py`` starts it and reports.  Each gang is a real one:
the launcher in one pod with as many ranks, files as the operator writes them.  Figures are the
last top-1 on the held-out images, each counted once, and what of it the export to uint8 loses.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT / "tests/trainer/runtime"))
from conftest import Pod, publish  # noqa: E402 (pods as plain processes, from the tests)

BATCH, STEPS = 64, 200
RANKS, SEEDS = (1, 2, 4), (1, 2, 3)
MEDIAN, LEAST = 0.985, 0.975
UINT8 = 0.02
DEADLINE_S = 900


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True, help="an empty one")
    parser.add_argument("--ranks", type=int, nargs="*", default=RANKS)
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--size", required=True, help="side of the stored images, pixels")
    parser.add_argument("flags", nargs="*", help="the recipe; what a run is about is put after it")
    args = parser.parse_args()
    folder = Path(args.folder)
    data = folder / "digits"
    words = ["prepare", "digits", "--out", str(data), "--size", args.size, "--format", "png"]
    words += ["--train_shards", "4"]
    subprocess.run(
        [sys.executable, "-m", "efficientnet_trainer.cli", *words],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    rows, lost = [], []
    for ranks in args.ranks:
        flags = [*args.flags, f"--data_dir={data}", f"--train_steps={args.steps}"]
        flags += [f"--steps_per_eval={args.steps}", f"--train_batch_size={BATCH // ranks}"]
        found = []
        for seed in args.seeds:
            top1, uint8 = train(folder, ranks, [*flags, f"--random_seed={seed}"])
            found.append(top1)
            lost.append(uint8["top_1_accuracy_of_checkpoint"] - uint8["top_1_accuracy"])
        name = f"digits top-1 after {args.steps} steps of {BATCH}, {ranks} rank{'s' * (ranks > 1)}"
        rows.append({"name": name, "values": found, "least": MEDIAN})
        rows.append({"name": f"{name}: smallest", "values": [min(found)], "least": LEAST})
    rows.append({"name": "digits top-1 that uint8 (TFLite) loses", "values": lost, "bar": UINT8})
    print(json.dumps({"rows": rows, "facts": {}}))


def train(folder, ranks, flags):
    """Train and export a gang anew; return its top-1 and the figures of the exported file."""
    place = folder / "gang"
    export = [f"--export_dir={place / 'export'}", "--export_formats=tflite", "--num_steps=360"]
    pod = Pod(place, "gang-1-0", ranks, npus_per_pod=ranks)
    try:
        pod.start(*flags, f"--model_dir={place / 'model'}", *export)
        publish([pod], ranks)
        code = pod.wait(DEADLINE_S)
        if code:
            raise RuntimeError(f"{ranks} ranks ended with {code}:\n{pod.log_text()[-3000:]}")
        top1 = pod.termination()["top1"]
        (report,) = (place / "export").glob("*.json")
        uint8 = json.loads(report.read_text())["tflite"]
    finally:
        pod.kill()
        shutil.rmtree(str(place), ignore_errors=True)
    words = f"{ranks} ranks, {flags[-1]}: top-1 {top1:.4f}, in uint8 {uint8['top_1_accuracy']:.4f}"
    words += f" against {uint8['top_1_accuracy_of_checkpoint']:.4f} on the same images"
    print(words, file=sys.stderr, flush=True)
    return top1, uint8


if __name__ == "__main__":
    main()
