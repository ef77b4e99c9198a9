"""SIGTERM to a rank that waits in TensorFlow for others, which have left."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(280)

WAITS = {
    "rank 0, for the first session": (0, False),
    "rank 1, for the first session": (1, False),
    "rank 0, restored, in the first step": (0, True),
}


def processor_seconds(pid):
    """Return what a process has used (proc(5): utime and stime, in hundredths)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def is_idle(pid):
    before = processor_seconds(pid)
    time.sleep(2)
    return processor_seconds(pid) - before < 0.1


def child_of(pid):
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


@pytest.mark.parametrize("rank, resumes", WAITS.values(), ids=WAITS)
def test_it_leaves_at_once_and_gives_the_folder_up(
    rank, resumes, make_pod, publish_files, eventually, quick, tmp_path
):
    flags = [f"--model_dir={tmp_path}", "--mode=train", *quick]
    if resumes:
        words = [sys.executable, "-m", "efficientnet_trainer.cli", "train", "--train_steps=1"]
        subprocess.run([*words, *flags], check=True, stdout=subprocess.DEVNULL)
    pods = [make_pod(f"j-1-{index}", 2, ENJ_STOP_GRACE_S="1000") for index in range(2)]
    alone = pods[rank].start("--train_steps=9", *flags)
    publish_files(pods)

    def waits_in_tensorflow():
        (own,) = alone.ranks() or [{"phase": ""}]
        return own["phase"] == "compiling" and is_idle(child_of(alone.process.pid))

    eventually(waits_in_tensorflow, 150, "the rank waits for the other")
    assert (tmp_path / ".owner").exists() == (rank == 0)
    alone.process.send_signal(signal.SIGTERM)
    assert alone.wait(30) == 143
    word = alone.termination()
    assert word["message"] == "stopped by SIGTERM before its first step, with nothing to save"
    assert word["step"] == int(resumes)
    assert not (tmp_path / ".owner").exists()
