"""Two ranks on stand-in NPUs, which run several steps for one call: one story in stages.

Stopped within a loop by a SIGTERM to one of them; resumed by the next attempt, in one pod;
then overtaken by a third, as a gang is whose node was cut off.
"""

import json
import re
import signal
from pathlib import Path

import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.watching import step_of

pytestmark = pytest.mark.timeout(280)

STAND_IN = Path(__file__).parent / "npu_stand_in"
LOOP = 4
STATISTICS = ("/moving_mean", "/moving_variance")
"""Each NPU normalises by its own batches, and only rank 0's statistics are ever read."""


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("model")


@pytest.fixture(scope="module")
def start_gang(make_pod, publish_files, tmp_path_factory, quick, model_dir):
    """Start two ranks of an attempt, in as many pods as asked for."""

    def start(attempt, num_pods):
        env = {
            "ENJ_ACCELERATOR": "Ascend910",
            "PYTHONPATH": str(STAND_IN),
            "NPU_STAND_IN_LOG": str(tmp_path_factory.mktemp("asked") / "log"),
            "NPU_STAND_IN_PEERS": str(tmp_path_factory.mktemp("peers")),
        }
        per_pod = 2 // num_pods
        pods = [
            make_pod(f"n-{attempt}-{index}", 2, npus_per_pod=per_pod, attempt=attempt, **env)
            for index in range(num_pods)
        ]
        for pod in pods:
            pod.start(
                f"--model_dir={model_dir}",
                "--mode=train",
                "--train_steps=100000",
                f"--iterations_per_loop={LOOP}",
                f"--save_checkpoints_steps={LOOP}",
                *quick,
            )
        publish_files(pods, per_pod, address="")  # HCCL needs none, and they may come late
        return pods

    return start


def wait_for_step(pod, step, eventually):
    def has_come_so_far():
        ranks = pod.ranks()
        return ranks and all((rank["step"] or 0) >= step for rank in ranks)

    eventually(has_come_so_far, 150, f"step {step} is done")


def newest_step(folder):
    return step_of(tf.train.latest_checkpoint(str(folder)))


@pytest.fixture(scope="module")
def stopped(start_gang, eventually, model_dir, assert_equal_weights):
    pods = start_gang(1, num_pods=2)
    wait_for_step(pods[0], 2 * LOOP, eventually)
    pods[1].process.send_signal(signal.SIGTERM)
    for pod in pods:
        pod.wait(60)
    step = pods[0].termination()["step"]
    assert_equal_weights(model_dir, step, but=STATISTICS)
    return pods, step


@pytest.fixture(scope="module")
def overtaken(stopped, start_gang, eventually, model_dir):
    (pod,) = start_gang(2, num_pods=1)
    wait_for_step(pod, stopped[1] + 2 * LOOP, eventually)
    record = json.loads((model_dir / ".owner").read_text())
    assert record["attempt"] == 2
    (model_dir / ".owner").write_text(json.dumps(dict(record, attempt=3)))
    pod.wait(60)
    return pod


def test_a_stop_of_one_rank_ends_all_after_the_same_loop(stopped):
    pods, step = stopped
    assert [pod.process.returncode for pod in pods] == [143, 143]
    words = [pod.termination() for pod in pods]
    assert [word["step"] for word in words] == [step, step]
    assert step % LOOP == 0
    assert "after saving a checkpoint" in words[0]["message"]


def test_figures_are_of_steps_though_a_call_runs_a_loop(stopped):
    pods, step = stopped
    lines = re.findall(
        r"^step:(\d+)  epoch:(\S+) ips:(\S+) loss:(\S+)", pods[0].log_text(), re.MULTILINE
    )
    assert [int(each[0]) for each in lines] == list(range(LOOP, step + 1, LOOP))
    for number, epoch, speed, loss in lines:
        assert float(epoch) == pytest.approx(int(number) * 16 / 1437)
        assert float(speed) > 0
        assert float(loss) > 0


def test_the_next_attempt_goes_on_with_all_ranks_of_a_pod(stopped, overtaken):
    log = overtaken.log_text()
    for rank in (0, 1):
        steps = re.findall(rf"^\[rank {rank}\] step:(\d+)  epoch:", log, re.MULTILINE)
        assert int(steps[0]) == stopped[1] + LOOP


def test_no_rank_of_an_attempt_saves_after_the_next_one_took_over(
    overtaken, model_dir, assert_equal_weights
):
    assert overtaken.process.returncode == 75
    assert "attempt 3 of this job took over" in overtaken.termination()["message"]
    log = overtaken.log_text()
    assert log.count("attempt 3 of this job took over") >= 2
    # The higher attempt's claim is left as it is, and rank 1 saved no more than rank 0 did.
    assert json.loads((model_dir / ".owner").read_text())["attempt"] == 3
    assert newest_step(model_dir / "tmp_worker_1") == newest_step(model_dir)
    assert_equal_weights(model_dir, newest_step(model_dir), but=STATISTICS)
