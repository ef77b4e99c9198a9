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
from efficientnet_trainer.npu import accepted

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


def test_a_rank_trains_and_evaluates_through_npu_bridge(tmp_path, digits):
    model_dir = tmp_path / "model"
    flags = [f"--model_dir={model_dir}", "--train_steps=3", "--iterations_per_loop=7"]
    done, asked = run_rank(tmp_path, [*flags, *digits], RANK_SIZE="4")
    assert done.returncode == 0, done.stdout
    assert "Eval results: " in done.stdout
    training = asked["run_config"][0]
    assert training == {
        "iterations_per_loop": 7,
        "precision_mode": "allow_mix_precision",
        "hcom_parallel": True,
        "enable_data_pre_proc": True,
        # An epoch: 1437 images in batches of 4 times 8.
        "save_checkpoints_steps": 44,
        "model_dir": str(model_dir),
    }
    assert asked["distributed_optimizer"] == [{"wraps": "RMSPropOptimizer"}]
    assert asked["loss_scale_optimizer"] == [
        {"wraps": "NPUDistributedOptimizer", "scale": 1024.0, "is_distributed": True}
    ]
    assert asked["allreduce"] == [{"reduction": "sum", "shape": [2]}]
    assert "this npu_bridge has no ['hccl_timeout', 'modify_mixlist']" in done.stdout
    assert (model_dir / "model.ckpt-3.index").exists()


def saved_in(folder):
    return {path.name for path in folder.glob("model.ckpt-*.index")}


def read_variables(path):
    reader = tf.train.load_checkpoint(str(path))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def test_a_rank_above_0_resumes_from_what_rank_0_saved(tmp_path, digits):
    model_dir = tmp_path / "model"
    flags = [f"--model_dir={model_dir}", "--mode=train", *digits]
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
    restored, wanted = (read_variables(each / "model.ckpt-3") for each in (own, model_dir))
    assert len(wanted) > 100
    assert set(restored) == set(wanted)
    for name in wanted:
        assert np.array_equal(restored[name], wanted[name]), name
    # Rank 1 keeps two, and rank 0's is none of them.
    assert saved_in(model_dir) == saved


def test_float32_goes_without_loss_scale_and_accumulates_without_loops(tmp_path, digits):
    flags = ["--model_dir={}".format(tmp_path / "m"), "--mode=train", "--precision=float32"]
    flags += ["--optimizer=lars", "--gradient_accumulation_steps=2", "--iterations_per_loop=7"]
    done, asked = run_rank(tmp_path, [*flags, "--train_steps=2", *digits], RANK_SIZE="2")
    assert done.returncode == 0, done.stdout
    assert re.findall(r"^step:(\d+)  epoch:", done.stdout, re.MULTILINE) == ["1", "2"]
    # Micro-batches are runs of the session, to which a longer loop would not return.
    assert asked["run_config"][0]["iterations_per_loop"] == 1
    # HCCL averages what has been accumulated.
    assert asked["distributed_optimizer"] == [{"wraps": "AccumulatingOptimizer"}]
    assert asked["run_config"][0]["precision_mode"] == "allow_fp32_to_fp16"
    assert "loss_scale_optimizer" not in asked


def test_an_npu_bridge_that_does_not_load_is_said(tmp_path, digits):
    broken = tmp_path / "broken" / "npu_bridge"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("undefined_name")
    flags = ["--model_dir={}".format(tmp_path / "m"), *digits]
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
