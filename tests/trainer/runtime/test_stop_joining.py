"""SIGTERM to a rank that waits in TensorFlow for others, which have left."""

import signal

import pytest

pytestmark = pytest.mark.timeout(200)


@pytest.mark.parametrize("rank", [0, 1])
def test_it_leaves_at_once_and_gives_the_folder_up(
    rank, make_pod, publish_files, eventually, quick, tmp_path
):
    pods = [make_pod(f"j-1-{index}", 2, ENJ_STOP_GRACE_S="1000") for index in range(2)]
    alone = pods[rank].start(f"--model_dir={tmp_path}", "--train_steps=9", *quick)
    publish_files(pods)

    def is_joining():
        return [own for own in alone.ranks() if own["phase"] == "compiling"]

    eventually(is_joining, 120, "the rank builds its session")
    alone.process.send_signal(signal.SIGTERM)
    assert alone.wait(30) == 143
    assert alone.termination()["message"] == "stopped by SIGTERM before a step was done"
    assert not (tmp_path / ".owner").exists()
