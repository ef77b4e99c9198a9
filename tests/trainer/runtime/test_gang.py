"""Two ranks that train together: one story in stages, each of which needs the one before.

Stopped by a SIGTERM to one of them, resumed by the next attempt, evaluated at the end.
"""

import json
import re
import signal

import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.resume import find_resume_point

pytestmark = pytest.mark.timeout(280)

MORE_STEPS = 3


def steps_logged(pod):
    return [int(step) for step in re.findall(r"^step:(\d+)  epoch:", pod.log_text(), re.MULTILINE)]


def saved_in(folder):
    return {path.name[: -len(".index")] for path in folder.glob("model.ckpt-*.index")}


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("model")


@pytest.fixture(scope="module")
def stopped_gang(make_pod, publish_files, eventually, digits, model_dir):
    """Pods of a first attempt, of which one was told to stop."""
    pods = [make_pod(f"j-1-{index}", 2) for index in range(2)]
    flags = [f"--model_dir={model_dir}", "--train_steps=100000"]
    for pod in pods:
        pod.start(*flags, "--save_checkpoints_steps=2", *digits)
    publish_files(pods)

    def five_steps_are_done():
        return [rank for rank in pods[0].ranks() if (rank["step"] or 0) >= 5]

    pods[0].seen = eventually(five_steps_are_done, 150, "five steps are done")
    pods[0].scraped = pods[0].get("/metrics")[1]
    pods[1].process.send_signal(signal.SIGTERM)
    for pod in pods:
        pod.wait(60)
    pods[0].still_owns = (model_dir / ".owner").exists()
    pods[0].saved = saved_in(model_dir)
    return pods


@pytest.fixture(scope="module")
def resumed_gang(stopped_gang, make_pod, publish_files, digits, model_dir):
    """Pods of the attempt that goes on, to completion.

    Rank 0 keeps all checkpoints, so that one which is gone was deleted by rank 1.
    """
    total = stopped_gang[0].termination()["step"] + MORE_STEPS
    pods = [make_pod(f"j-2-{index}", 2, attempt=2) for index in range(2)]
    flags = [f"--model_dir={model_dir}", f"--train_steps={total}"]
    for pod, kept in zip(pods, (100, 1)):
        pod.start(*flags, f"--keep_checkpoint_max={kept}", *digits)
    publish_files(pods)
    for pod in pods:
        pod.wait(200)
    return pods


def test_a_stop_of_one_rank_stops_all_at_the_same_step(
    stopped_gang, model_dir, assert_equal_weights
):
    assert [pod.process.returncode for pod in stopped_gang] == [143, 143]
    words = [pod.termination() for pod in stopped_gang]
    assert [word["reason"] for word in words] == ["Stopped", "Stopped"]
    assert words[0]["step"] == words[1]["step"] >= 5
    assert "after saving a checkpoint" in words[0]["message"]
    newest = tf.train.latest_checkpoint(str(model_dir))
    assert newest.endswith("model.ckpt-{}".format(words[0]["step"]))
    assert_equal_weights(model_dir, words[0]["step"])


def test_progress_and_metrics_tell_of_the_step(stopped_gang):
    (rank,) = stopped_gang[0].seen
    assert rank["phase"] in ("training", "saving")
    assert rank["totalSteps"] == 100000
    assert rank["loss"] > 0
    assert rank["imagesPerSecond"] > 0
    assert rank["heartbeat"] >= rank["lastProgress"] > 1.6e9
    # 16 images a step.
    assert rank["epoch"] == pytest.approx(rank["step"] * 16 / 1437)
    text = stopped_gang[0].scraped
    assert re.search(r'^efficientnet_training_step\{rank="0"\} [1-9]', text, re.MULTILINE)
    assert 'efficientnet_checkpoint_last_step{rank="0"}' in text


def test_the_next_attempt_runs_no_step_again(stopped_gang, resumed_gang):
    stopped_at = stopped_gang[0].termination()["step"]
    wanted = list(range(stopped_at + 1, stopped_at + MORE_STEPS + 1))
    assert [steps_logged(pod) for pod in resumed_gang] == [wanted, wanted]


def test_all_ranks_end_with_the_same_weights(resumed_gang, model_dir, assert_equal_weights):
    assert [pod.process.returncode for pod in resumed_gang] == [0, 0]
    assert_equal_weights(model_dir, resumed_gang[0].termination()["step"])


def test_each_rank_deletes_only_checkpoints_of_its_own(stopped_gang, resumed_gang, model_dir):
    newest = "model.ckpt-{}".format(resumed_gang[0].termination()["step"])
    assert len(stopped_gang[0].saved) > 1
    assert saved_in(model_dir) == stopped_gang[0].saved | {newest}
    # What the attempt before had saved as rank 1 is nobody's to resume from.
    assert saved_in(model_dir / "tmp_worker_1") == {newest}


def test_rank_0_leaves_the_final_figures(resumed_gang, model_dir):
    first, second = (pod.termination() for pod in resumed_gang)
    assert set(first) == {
        "rank", "step", "exitCode", "reason", "message", "loss", "top1", "top5", "checkpoint"
    }  # fmt: skip
    assert first["reason"] == second["reason"] == "Completed"
    assert first["checkpoint"] == "{}/model.ckpt-{}".format(model_dir, first["step"])
    assert 0 <= first["top1"] <= first["top5"] <= 1
    # Each of the 360 validation images was counted once.
    assert first["top1"] * 360 == pytest.approx(round(first["top1"] * 360), abs=1e-3)
    assert second["rank"] == 1
    assert "top1" not in second
    assert re.search(r"Eval results: \{'loss': .*'global_step': \d+\}", resumed_gang[0].log_text())


def test_both_ranks_evaluated_their_share(resumed_gang, model_dir):
    share = json.loads((model_dir / ".evaluation" / "rank-1.json").read_text())
    # A file of validation images for each.
    assert share["totals"][0] == 180
    figures = json.loads((model_dir / "best" / "evaluation.json").read_text())
    assert figures["images"] == 360
    assert figures["top_1_accuracy"] == resumed_gang[0].termination()["top1"]
    assert "Eval results" not in resumed_gang[1].log_text()


def test_no_attempt_owns_the_folder_once_it_ended(stopped_gang, resumed_gang, model_dir):
    assert not stopped_gang[0].still_owns
    assert [pod.process.returncode for pod in resumed_gang] == [0, 0]
    assert not (model_dir / ".owner").exists()


def test_a_loss_that_is_no_number_ends_all_ranks_and_harms_no_checkpoint(
    resumed_gang, make_pod, publish_files, digits, model_dir
):
    step = resumed_gang[0].termination()["step"]
    pod = make_pod("j-3-0", 2, npus_per_pod=2, attempt=3)
    flags = [f"--model_dir={model_dir}", f"--train_steps={step + 40}", "--lr_scaling=absolute"]
    flags += ["--base_learning_rate=1e30", "--warmup_epochs=0", "--save_checkpoints_steps=1"]
    pod.start(*flags, *digits)
    publish_files([pod], ranks_per_pod=2)
    assert pod.wait(200) == 3, pod.log_text()
    (folder,) = pod.folder.glob("enj-*")
    words = [json.loads((folder / f"rank-{n}.exit.json").read_text()) for n in range(2)]
    assert [word["exitCode"] for word in words] == [3, 3]
    for word in words:
        assert f"the last good checkpoint is {model_dir}/model.ckpt-{step}; " in word["message"]
    assert find_resume_point(str(model_dir)).step == step
