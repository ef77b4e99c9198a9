"""A run is repeated from the file that it left, to the last digit, whatever is random in it."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.timeout(240)

STEPS = 4
EVERYTHING_RANDOM = [
    "--random_seed=7",
    "--crop_and_flip=true",
    "--autoaugment_name=randaugment",
    "--mixup_alpha=0.2",
    "--dropout_rate=0.5",
    "--drop_connect_rate=0.5",
    # And what has state of its own beside the weights.
    "--optimizer=lars",
    "--gradient_accumulation_steps=2",
]


def train(*flags):
    done = subprocess.run(
        [sys.executable, "-m", "efficientnet_trainer.cli", "train", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return re.findall(r"^step:(\d+)  epoch:(\S+) ips:\S+ loss:(\S+) lr:(\S+)$", done.stdout, re.M)


def test_a_run_is_repeated_from_its_settings(tmp_path, digits, read_weights):
    first, second = tmp_path / "first", tmp_path / "second"
    flags = [*digits, *EVERYTHING_RANDOM, f"--train_steps={STEPS}", "--mode=train"]
    lines = train(f"--model_dir={first}", *flags)
    # Steps and epochs count updates, whole batches of 8, not micro-batches.
    wanted = [(str(step), step * 8 / 1437) for step in range(1, STEPS + 1)]
    assert [(step, pytest.approx(float(epoch))) for step, epoch, _, _ in lines] == wanted
    assert len({loss for _, _, loss, _ in lines}) == STEPS

    assert train(f"--config={first}/settings.json", f"--model_dir={second}") == lines

    weights, again = (read_weights(each / f"model.ckpt-{STEPS}") for each in (first, second))
    assert set(weights) == set(again)
    assert not [name for name in weights if "accumulated" in name]
    for name, value in weights.items():
        assert np.array_equal(value, again[name]), name
    settings = json.loads((second / "settings.json").read_text())
    assert settings["flags"]["model_dir"] == str(second)
    assert settings["flags"]["random_seed"] == 7
