"""Train b0 at 224 pixels on CPUs and tell the share of a step that is spent waiting for input.

Runs on the trainer's Python; ``trainer.py`` starts it and reports.  The images are those of
``input_speed.py``, of the same folder; the share is what the trainer's own log says.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile

from input_speed import write_images

BATCH, STEPS, ROUND = 16, 16, 4
IMAGES = 512
BAR = 0.02
WAITED = re.compile(r"input: ([\d.]+)% of a step waited")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True, help="where the images are made, or are")
    folder = parser.parse_args().folder
    write_images(folder, IMAGES)
    # The first round fills the buffers.
    _, *shares = [float(percent) / 100 for percent in WAITED.findall(train(folder))]
    name = f"b0, {BATCH} images of 224 pixels: share of a step that waits for input"
    print(json.dumps({"rows": [{"name": name, "values": shares, "bar": BAR}], "facts": {}}))


def train(folder):
    """Train a few steps and return the log."""
    with tempfile.TemporaryDirectory() as out:
        flags = {
            "mode": "train",
            "data_dir": folder,
            "model_dir": out,
            "train_batch_size": BATCH,
            "train_steps": STEPS,
            "log_steps": ROUND,
            "num_train_images": IMAGES,
        }
        words = [f"--{name}={value}" for name, value in flags.items()]
        done = subprocess.run(
            [sys.executable, "-m", "efficientnet_trainer.cli", "train", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    if done.returncode:
        raise RuntimeError(f"the trainer ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
