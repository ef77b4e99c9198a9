"""The NPU side against a stand-in with npu_bridge's documented signatures."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.npu import accepted, fit_loop

pytestmark = pytest.mark.timeout(180)

STAND_IN = Path(__file__).parent / "npu_stand_in"


def run_rank(tmp_path, flags, **env):
    """Run ``train`` as the launcher would on a pod with npu_bridge."""
    table = tmp_path / "hccl.json"
    table.write_text("{}")
    log = tmp_path / "asked.jsonl"
    environment = dict(
        os.environ,
        PYTHONPATH=str(STAND_IN),
        NPU_STAND_IN_LOG=str(log),
        RANK_TABLE_FILE=str(table),
        RANK_ID="0",
        RANK_SIZE="1",
        JOB_ID="job",
        DEVICE_ID="3",
        ASCEND_DEVICE_ID="0",
        DEVICE_INDEX="0",
        ENJ_ACCELERATOR="Ascend910",
    )
    environment.update(env)
    done = subprocess.run(
        [sys.executable, "-m", "efficientnet_trainer.cli", "train", *flags],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    asked = {}
    for line in log.read_text().splitlines() if log.exists() else []:
        entry = json.loads(line)
        asked.setdefault(entry.pop("what"), []).append(entry)
    return done, asked


COMMON = {
    "precision_mode": "allow_mix_precision",
    "hcom_parallel": True,
    "enable_data_pre_proc": True,
    "keep_checkpoint_max": 5,
    "save_summary_steps": 0,
    "log_step_count_steps": None,
    "tf_random_seed": None,
}
RELEASES = {
    # options beyond the common ones, options that the release does not have
    "r1.2.0": (set(), ["hccl_timeout", "modify_mixlist"]),
    "r1.7.0": ({"hccl_timeout", "modify_mixlist"}, []),
    "r1.15.0": ({"hccl_timeout", "modify_mixlist"}, []),
}


@pytest.mark.parametrize("release, options", RELEASES.items(), ids=RELEASES)
def test_a_rank_trains_by_each_generation(release, options, tmp_path, quick):
    more, missing = options
    model_dir = tmp_path / "model"
    flags = [f"--model_dir={model_dir}", "--train_steps=6", "--iterations_per_loop=4"]
    flags += ["--mode=train", *quick]
    done, asked = run_rank(tmp_path, flags, RANK_SIZE="4", NPU_STAND_IN_RELEASE=release)
    assert done.returncode == 0, done.stdout
    training = asked["run_config"][0]
    assert more == set(training) - set(COMMON) - {
        "model_dir", "iterations_per_loop", "save_checkpoints_steps"
    }  # fmt: skip
    assert {name: training[name] for name in COMMON} == COMMON
    assert training["model_dir"] == str(model_dir)
    # Loops of four do not end at step 6.  An epoch is 44 steps of 4 times 8 images.
    assert (training["iterations_per_loop"], training["save_checkpoints_steps"]) == (3, 45)
    assert re.findall(r"^step:(\d+)  epoch:", done.stdout, re.MULTILINE) == ["3", "6"]
    assert asked["distributed_optimizer"] == [{"wraps": "GradientDescentOptimizer"}]
    assert asked["fixed_loss_scale"] == [{"loss_scale": 8.0}]
    wrapped = {"wraps": "NPUDistributedOptimizer", "is_distributed": True}
    assert asked["loss_scale_optimizer"] == [wrapped]
    # The mean loss within the step, the wish to stop beside it; neither waits for gradients.
    assert asked["allreduce"] == [{"reduction": "sum", "shape": [1], "fusion": 0}] * 2
    assert (f"this npu_bridge has no {missing}" in done.stdout) == bool(missing)
    assert (model_dir / "model.ckpt-6.index").exists()


def test_dynamic_loss_scaling_leaves_out_updates_that_overflow(tmp_path, quick, read_weights):
    model_dir = tmp_path / "model"
    flags = ["--mode=train", "--train_steps=4", "--iterations_per_loop=2", "--random_seed=1"]
    scale = ["--loss_scaling=dynamic", f"--loss_scale={2.0**24}"]
    done, asked = run_rank(tmp_path, [f"--model_dir={model_dir}", *quick, *flags, *scale])
    assert done.returncode == 0, done.stdout
    assert asked["dynamic_loss_scale"] == [{"init": 2.0**24, "incr_every": 1000}]
    saved = read_weights(tf.train.latest_checkpoint(str(model_dir)))
    # It shrank by a fifth after each two steps with an overflow, and none of those counted.
    shrinkings = np.log(saved["loss_scale"] / 2.0**24) / np.log(0.8)
    assert shrinkings == pytest.approx(round(shrinkings), abs=1e-3)
    assert shrinkings >= 1
    assert 4 <= saved["global_step"] <= 5
    # A run that goes on has the scale where it was.
    more, _ = run_rank(
        tmp_path, [f"--model_dir={model_dir}", *quick, *flags, *scale, "--train_steps=8"]
    )
    assert more.returncode == 0, more.stdout
    resumed = read_weights(tf.train.latest_checkpoint(str(model_dir)))
    assert resumed["global_step"] >= 8
    assert resumed["loss_scale"] <= saved["loss_scale"]


def test_an_npu_evaluates_batches_of_one_shape(tmp_path, quick):
    model_dir = tmp_path / "model"
    flags = [f"--model_dir={model_dir}", "--train_steps=1", *quick]
    done, asked = run_rank(tmp_path, [*flags, "--eval_batch_size=100"])
    assert done.returncode == 0, done.stdout
    assert "Eval results: " in done.stdout
    assert asked["evaluation"] == [{"shape": [100, 32, 32, 3]}]
    # The last of the four batches has sixty images, and is filled up with what does not count.
    assert json.loads((model_dir / "best" / "evaluation.json").read_text())["images"] == 360


def saved_in(folder):
    return {path.name for path in folder.glob("model.ckpt-*.index")}


def test_a_rank_above_0_resumes_from_what_rank_0_saved(tmp_path, digits, read_weights):
    model_dir = tmp_path / "model"
    flags = [f"--model_dir={model_dir}", "--mode=train", "--iterations_per_loop=1", *digits]
    done, _ = run_rank(tmp_path, [*flags, "--train_steps=3"], RANK_SIZE="2")
    assert done.returncode == 0, done.stdout
    own = model_dir / "tmp_worker_1"
    own.mkdir()
    # What it saved in an attempt that came further than rank 0's last checkpoint.
    (own / "model.ckpt-99.index").touch()
    (own / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-99"')
    saved = saved_in(model_dir)
    more = ["--train_steps=5", "--keep_checkpoint_max=2"]
    done, asked = run_rank(tmp_path, [*flags, *more], RANK_SIZE="2", RANK_ID="1")
    assert done.returncode == 0, done.stdout
    assert asked["run_config"][1]["model_dir"] == str(own)
    assert re.findall(r"^step:(\d+)  epoch:", done.stdout, re.MULTILINE) == ["4", "5"]
    # The first is saved before the first step: all that was restored, slots and averages too.
    assert saved_in(own) == {"model.ckpt-3.index", "model.ckpt-5.index"}
    restored, wanted = (read_weights(each / "model.ckpt-3") for each in (own, model_dir))
    assert len(wanted) > 100
    assert set(restored) == set(wanted)
    for name in wanted:
        assert np.array_equal(restored[name], wanted[name]), name
    # Rank 1 keeps two, and rank 0's is none of them.
    assert saved_in(model_dir) == saved


def test_float32_goes_without_loss_scale_and_accumulates_without_loops(tmp_path, quick):
    flags = ["--model_dir={}".format(tmp_path / "m"), "--mode=train", "--precision=float32"]
    flags += ["--optimizer=lars", "--gradient_accumulation_steps=2", "--iterations_per_loop=7"]
    done, asked = run_rank(tmp_path, [*quick, *flags, "--train_steps=2"], RANK_SIZE="2")
    assert done.returncode == 0, done.stdout
    assert re.findall(r"^step:(\d+)  epoch:", done.stdout, re.MULTILINE) == ["1", "2"]
    # Micro-batches are runs of the session, to which a longer loop would not return.
    assert asked["run_config"][0]["iterations_per_loop"] == 1
    # HCCL averages what has been accumulated.
    assert asked["distributed_optimizer"] == [{"wraps": "AccumulatingOptimizer"}]
    assert asked["run_config"][0]["precision_mode"] == "allow_fp32_to_fp16"
    assert not set(asked) & {"loss_scale_optimizer", "fixed_loss_scale", "dynamic_loss_scale"}


def test_an_npu_bridge_that_does_not_load_is_said(tmp_path, quick):
    broken = tmp_path / "broken" / "npu_bridge"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("undefined_name")
    flags = ["--model_dir={}".format(tmp_path / "m"), *quick]
    done, _ = run_rank(tmp_path, flags, PYTHONPATH=str(broken.parent))
    assert done.returncode == 1
    assert "cannot load npu_bridge (NameError: name 'undefined_name'" in done.stdout


def test_keywords_that_a_release_does_not_know_are_left_out():
    def release(old, new=None):
        return old, new

    def open_release(**options):
        return options

    assert accepted(release, {"old": 1, "newer": 2}) == {"old": 1}
    assert accepted(open_release, {"old": 1, "newer": 2}) == {"old": 1, "newer": 2}


REFUSALS = """
import os
from npu_bridge.estimator.npu.npu_config import NPURunConfig
from npu_bridge.estimator.npu.npu_estimator import NPUEstimator

def attempt(what, action):
    try:
        action()
    except Exception as error:
        print(what, type(error).__name__)

def estimate():
    NPUEstimator(model_fn=lambda features, labels, mode: None, model_dir="m",
        config=NPURunConfig(model_dir="m"))

estimate()
attempt("an argument of another release", lambda: NPURunConfig(UNKNOWN=None))
for name in ("JOB_ID", "RANK_SIZE"):
    value = os.environ.pop(name)
    attempt(name, estimate)
    os.environ[name] = value
os.environ["TF_CONFIG"] = '{"cluster": {"worker": ["a:1"]}}'
attempt("TF_CONFIG", lambda: NPURunConfig(model_dir="m"))
"""


@pytest.mark.parametrize(
    "release, unknown", [("r1.2.0", "modify_mixlist"), ("r1.15.0", "auto_tune_mode")]
)
def test_the_stand_in_refuses_what_the_real_one_does(release, unknown, tmp_path):
    variables = ("JOB_ID", "RANK_SIZE", "RANK_ID", "DEVICE_ID", "ASCEND_DEVICE_ID", "DEVICE_INDEX")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", REFUSALS.replace("UNKNOWN", unknown)],
        env=dict(
            os.environ,
            PYTHONPATH=str(STAND_IN),
            NPU_STAND_IN_RELEASE=release,
            NPU_STAND_IN_LOG=str(tmp_path / "log"),
            **dict.fromkeys(variables, "1"),
        ),
        cwd=str(tmp_path),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "an argument of another release TypeError",
        "JOB_ID AttributeError",
        "RANK_SIZE AttributeError",
        "TF_CONFIG ValueError",
    ]


LOOPS = {
    # wanted, steps that are left, steps a loop
    "divides": (625, 218750, 625),
    "fewer steps than a loop": (1251, 40, 40),
    "the longest divisor from half upwards": (100, 360, 90),
    "the least overrun where there is no divisor": (10, 13, 7),
    "nothing left": (100, 0, 1),
    "step by step": (1, 17, 1),
}


@pytest.mark.parametrize("wanted, steps, loop", LOOPS.values(), ids=LOOPS)
def test_loops_end_at_the_last_step(wanted, steps, loop):
    assert fit_loop(wanted, steps) == loop
