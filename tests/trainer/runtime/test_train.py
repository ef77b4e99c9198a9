"""One rank by hand: what it prints, resumes, refuses and restores."""

import json
import os
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.resume import find_resume_point
from PIL import Image

pytestmark = pytest.mark.timeout(240)


def train(*flags, **env):
    environment = {name: value for name, value in os.environ.items() if "ENJ" not in name}
    environment.update(env)
    return subprocess.run(
        [sys.executable, "-m", "efficientnet_trainer.cli", "train", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory, digits):
    """A finished run of six steps, evaluated every four."""
    model_dir = tmp_path_factory.mktemp("trained")
    flags = ["--train_steps=6", "--steps_per_eval=4", "--save_checkpoints_steps=5"]
    flags += ["--lr_scaling=absolute", "--base_learning_rate=0.002", "--warmup_epochs=0"]
    # Statistics that follow fast, so that averages of them differ from them, and a seed: with
    # some first weights they hardly do.
    flags += ["--batch_norm_momentum=0.5", "--random_seed=3"]
    done = train(f"--model_dir={model_dir}", *flags, *digits)
    assert done.returncode == 0, done.stdout
    return model_dir, done.stdout


def test_it_prints_the_original_lines(trained):
    _, log = trained
    lines = re.findall(r"^step:(\d+)  epoch:([\d.]+) ips:[\d.]+ loss:[\d.]+ lr:\S+$", log, re.M)
    assert [int(step) for step, _ in lines] == [1, 2, 3, 4, 5, 6]
    assert float(lines[-1][1]) == pytest.approx(6 * 8 / 1437)
    results = re.findall(
        r"Eval results: \{'loss': [\d.]+, 'top_1_accuracy': [\d.]+, "
        r"'top_5_accuracy': [\d.]+, 'global_step': (\d+)\}\. Elapsed seconds: \d+",
        log,
    )
    assert results == ["4", "6"]


def test_the_log_ends_as_the_original_trainers(trained):
    model_dir, log = trained
    figure = r"\d\.[\d.e-]*"
    said = [line.partition("INFO:tensorflow:")[2] for line in log.splitlines()]
    wanted = [
        r"Finished evaluation at \d{4}-\d\d-\d\d-\d\d:\d\d:\d\d",
        rf"Saving dict for global step 6: global_step = 6, loss = {figure}, "
        rf"top_1_accuracy = {figure}, top_5_accuracy = {figure}",
        rf"Saving 'checkpoint_path' summary for global step 6: {model_dir}/model\.ckpt-6",
        rf"Eval results: \{{'loss': {figure}, 'top_1_accuracy': {figure}, "
        rf"'top_5_accuracy': {figure}, 'global_step': 6\}}\. Elapsed seconds: \d+",
    ]
    for line, pattern in zip([line for line in said if line][-4:], wanted):
        assert re.fullmatch(pattern, line), line


def test_the_best_of_the_evaluated_is_kept(trained):
    model_dir, log = trained
    accuracies = re.findall(r"'top_1_accuracy': ([\d.]+).*'global_step': (\d+)", log)
    losses = re.findall(r"Eval results: \{'loss': ([\d.]+)", log)
    best = max(zip([float(a) for a, _ in accuracies], [-float(x) for x in losses], accuracies))
    step = best[2][1]
    kept = json.loads((model_dir / "best" / "evaluation.json").read_text())
    assert kept["checkpoint"] == f"model.ckpt-{step}"
    assert kept["images"] == 360
    newest = tf.train.latest_checkpoint(str(model_dir / "best"))
    assert tf.train.load_checkpoint(newest).get_tensor("global_step") == int(step)


def tags_of(folder):
    """Return the steps of each tag in a folder's event files."""
    tags = {}
    for path in folder.glob("events.out.tfevents.*"):
        for event in tf.train.summary_iterator(str(path)):
            for value in event.summary.value:
                tags.setdefault(value.tag, set()).add(event.step)
    return tags


def test_tensorboard_has_curves_and_pictures(trained):
    model_dir, _ = trained
    tags = tags_of(model_dir)
    # The first batch of each stretch between evaluations.
    assert tags.pop("augmented_images") == {1, 5}
    curves = ("loss", "learning_rate", "images_per_second", "input_wait_ratio")
    assert tags == {tag: {1, 2, 3, 4, 5, 6} for tag in curves}
    evaluated = tags_of(model_dir / "eval")
    for tag in ("loss", "top_1_accuracy", "top_5_accuracy", "confusion_matrix"):
        assert evaluated[tag] == {4, 6}, tag


def test_a_run_is_plotted(trained, run_script, tmp_path):
    model_dir, _ = trained
    out = tmp_path / "run.png"
    done = run_script("plot", model_dir, "--out", out)
    assert (done.returncode, done.stdout) == (0, f"{out}\n"), done.stderr
    with Image.open(str(out)) as image:
        image.load()
        assert image.size == (1320, 840)
        # Lines and letters; a blank sheet has one colour.
        assert len(set(image.convert("L").getdata())) > 20


def test_a_finished_run_is_only_evaluated_again(trained, digits, tmp_path):
    model_dir, _ = trained
    env = {"ENJ_REPORT_DIR": str(tmp_path)}
    done = train(f"--model_dir={model_dir}", "--train_steps=6", *digits, **env)
    assert done.returncode == 0, done.stdout
    assert not re.search(r"^step:", done.stdout, re.M)
    word = json.loads((tmp_path / "rank-0.exit.json").read_text())
    assert (word["step"], word["reason"]) == (6, "Completed")
    assert word["checkpoint"] == str(model_dir / "model.ckpt-6")


def test_evaluation_reads_the_moving_averages(trained, digits):
    model_dir, log = trained
    averaged = re.findall(r"'loss': ([\d.]+)", log)[-1]
    words = [f"--model_dir={model_dir}", "--mode=eval", *digits]
    again = re.findall(r"'loss': ([\d.]+)", train(*words).stdout)
    plain = re.findall(r"'loss': ([\d.]+)", train(*words, "--moving_average_decay=0").stdout)
    assert float(again[0]) == pytest.approx(float(averaged), rel=1e-5)
    assert float(plain[0]) != pytest.approx(float(averaged), rel=1e-3)


def test_evaluating_other_images_than_it_was_trained_with_is_told(trained, digits):
    model_dir, _ = trained
    words = [f"--model_dir={model_dir}", "--mode=eval", *digits, "--input_image_size=40"]
    done = train(*words)
    assert done.returncode == 0, done.stdout
    assert "--input_image_size is 40, but the weights were trained with 32" in done.stdout


def test_transfer_learning_starts_from_restored_weights(trained, digits, tmp_path):
    model_dir, _ = trained
    source = str(model_dir / "model.ckpt-6")
    flags = [f"--restore_path={source}", "--restore_exclude=efficientnet-b0/model/head/"]
    flags += ["--restore_weights=raw", "--freeze=efficientnet-b0/stem/"]
    # At this rate a step changes nothing that could be seen.
    flags += ["--train_steps=1", "--base_learning_rate=1e-12", "--mode=train"]
    done = train(f"--model_dir={tmp_path}", *flags, *digits)
    assert done.returncode == 0, done.stdout
    old = tf.train.load_checkpoint(source)
    new = tf.train.load_checkpoint(str(tmp_path / "model.ckpt-1"))
    stem, head = "efficientnet-b0/stem/conv2d/kernel", "efficientnet-b0/head/dense/kernel"
    assert np.array_equal(old.get_tensor(stem), new.get_tensor(stem))
    assert not np.allclose(old.get_tensor(head), new.get_tensor(head), atol=1e-3)
    assert new.get_tensor("global_step") == 1
    told = json.loads((tmp_path / "restored.json").read_text())
    assert told["restored"][stem] == stem
    assert told["initial"][head] == "excluded by --restore_exclude"
    assert "no variable of this model" not in told["unused"].values()


def test_a_damaged_checkpoint_ends_the_run_as_bad_data(trained, digits, tmp_path):
    model_dir, _ = trained
    for path in model_dir.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    os.truncate(str(tmp_path / "model.ckpt-6.data-00000-of-00001"), 1000)
    done = train(f"--model_dir={tmp_path}", "--train_steps=9", *digits)
    assert done.returncode == 3
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"efficientnet-trainer train: checkpoint {tmp_path}")
    assert "Traceback" not in done.stdout


def test_a_loss_that_is_no_number_ends_the_run_and_names_the_last_good_checkpoint(
    trained, digits, tmp_path
):
    model_dir, _ = trained
    shutil.copytree(str(model_dir), str(tmp_path / "out"))
    flags = ["--train_steps=40", "--lr_scaling=absolute", "--base_learning_rate=1e30"]
    flags += ["--warmup_epochs=0", "--save_checkpoints_steps=1"]
    done = train(f"--model_dir={tmp_path / 'out'}", *flags, *digits)
    assert done.returncode == 3, done.stdout
    last = done.stdout.splitlines()[-1]
    assert f"the last good checkpoint is {tmp_path}/out/model.ckpt-6; lower" in last
    assert find_resume_point(str(tmp_path / "out")).step == 6


def test_evaluating_an_empty_folder_is_bad_data(digits, tmp_path):
    done = train(f"--model_dir={tmp_path}", "--mode=eval", *digits)
    assert done.returncode == 3
    assert f"--model_dir {tmp_path} has no checkpoint; train first" in done.stdout


def test_a_folder_that_another_job_owns_is_transient(digits, tmp_path):
    record = {"jobUID": "other", "attempt": 1, "renewed": time.time() + 30}
    (tmp_path / ".owner").write_text(json.dumps(record))
    env = {"ENJ_JOB_UID": "mine", "ENJ_ATTEMPT": "1", "ENJ_ACCELERATOR": "CPU"}
    done = train(f"--model_dir={tmp_path}", "--train_steps=2", *digits, **env)
    assert done.returncode == 75
    assert "job (UID other, attempt 1) writes there" in done.stdout


# TensorFlow's own loader compares versions in a way that its setuptools announces the end of.
@pytest.mark.filterwarnings("ignore:distutils Version classes:DeprecationWarning")
def test_the_export_answers_as_the_run_was_evaluated(trained, digits, tmp_path):
    model_dir, log = trained
    flags = ["--mode=export", f"--export_dir={tmp_path}", *digits]
    done = train(f"--model_dir={model_dir}", *flags)
    assert done.returncode == 0, done.stdout
    assert "Eval results" not in done.stdout
    folder = tmp_path / "saved_model" / "6"
    images, labels = read_validation(digits)
    with tf.Session(graph=tf.Graph()) as session:
        model = tf.saved_model.load(session, ["serve"], str(folder))
        signature = model.signature_def["serving_default"]
        classes, probabilities = session.run(
            [signature.outputs["classes"].name, signature.outputs["probabilities"].name],
            {signature.inputs["encoded_images"].name: images},
        )
    assert probabilities.shape == (360, 10)
    # The records' labels are 1..10.
    top1 = float(np.mean(classes + 1 == labels))
    assert top1 == pytest.approx(float(re.findall(r"'top_1_accuracy': ([\d.]+)", log)[-1]))


def read_validation(digits):
    folder = digits[0].partition("=")[2]
    images, labels = [], []
    for name in sorted(os.listdir(folder)):
        if not name.startswith("validation-"):
            continue
        for record in tf.python_io.tf_record_iterator(os.path.join(folder, name)):
            feature = tf.train.Example.FromString(record).features.feature
            images.append(feature["image/encoded"].bytes_list.value[0])
            labels.append(feature["image/class/label"].int64_list.value[0])
    return images, np.array(labels)
