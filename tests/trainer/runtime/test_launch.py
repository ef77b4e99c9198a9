"""The launcher as a real process: waiting, refusing, passing failures on."""

import json
import os
import re
import signal
import time

import pytest

pytestmark = pytest.mark.timeout(180)


def test_it_serves_while_it_waits_and_stops_at_once(make_pod, eventually):
    pod = make_pod("j-1-0", 2).start("--data_dir=/none", "--model_dir=/none")
    eventually(lambda: pod.get("/healthz")[0] == 200, 20, "the server is up")
    assert pod.get("/readyz") == (503, "hccl.json has status 'initializing', not 'completed'\n")
    assert json.loads(pod.get("/progress")[1]) == {"pod": "j-1-0", "attempt": 1, "ranks": []}
    assert pod.get("/metrics")[0] == 200
    assert pod.get("/else")[0] == 404
    started = time.monotonic()
    pod.process.send_signal(signal.SIGTERM)
    assert pod.wait(10) == 143
    assert time.monotonic() - started < 2
    word = pod.termination()
    assert (word["exitCode"], word["reason"]) == (143, "Stopped")
    assert "waiting for its rank table" in word["message"]


BAD_FLAGS = {
    "a value out of range": (
        ["--data_dir=/d", "--model_dir=/m", "--train_steps=0"],
        "--train_steps is '0'",
    ),
    "a flag that does not exist": (
        ["--data_dir=/d", "--model_dir=/m", "--trian_steps=5"],
        "--trian_steps=5",
    ),
    "a required flag is missing": (["--data_dir=/d"], "--model_dir is required"),
}


@pytest.mark.parametrize("flags, message", BAD_FLAGS.values(), ids=BAD_FLAGS)
def test_bad_flags_end_it_before_it_waits(make_pod, flags, message):
    pod = make_pod("j-1-0", 1).start(*flags)
    assert pod.wait(20) == 2
    word = pod.termination()
    assert (word["exitCode"], word["reason"]) == (2, "BadConfiguration")
    assert message in word["message"]
    assert "Traceback" not in pod.log_text()


def test_a_contradiction_between_table_and_pod_is_transient(make_pod, publish_files):
    pod, other = make_pod("j-1-0", 2), make_pod("j-1-1", 2)
    publish_files([pod, other])
    pod.env["JOB_POD_NAME"] = "j-1-7"
    pod.start("--data_dir=/d", "--model_dir=/m")
    assert pod.wait(20) == 75
    assert "peers.json lists no rank of pod j-1-7" in pod.termination()["message"]


def test_missing_data_end_the_pod_as_bad_data(make_pod, publish_files, tmp_path):
    pod = make_pod("j-1-0", 1)
    publish_files([pod])
    pod.start("--data_dir=/no/such/data", f"--model_dir={tmp_path}")
    assert pod.wait(120) == 3
    word = pod.termination()
    assert (word["rank"], word["exitCode"], word["reason"]) == (0, 3, "BadData")
    assert "/no/such/data cannot be listed" in word["message"]
    assert "Traceback" not in pod.log_text()


def child_of(launcher_pid, rank):
    """Return the process id of a launcher's rank, or None while it has none."""
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/stat") as stat, open(
                f"/proc/{entry}/environ", "rb"
            ) as environ:
                parent = int(stat.read().rsplit(")", 1)[1].split()[1])
                if parent == launcher_pid and b"\0RANK_ID=%d\0" % rank in environ.read():
                    return int(entry)
        except (OSError, IndexError):
            continue
    return None


def test_a_killed_rank_ends_its_siblings_and_is_named(
    make_pod, publish_files, eventually, digits, tmp_path
):
    pod = make_pod("j-1-0", 2, npus_per_pod=2)
    publish_files([pod], ranks_per_pod=2)
    pod.start(f"--model_dir={tmp_path}", "--train_steps=100", *digits)
    eventually(lambda: pod.get("/readyz")[0] == 200, 20, "the table is mounted")
    eventually(lambda: "[rank 1] " in pod.log_text(), 60, "rank 1 has logged a line")
    assert [rank["rank"] for rank in pod.ranks()] == [0, 1]
    os.kill(child_of(pod.process.pid, 1), signal.SIGKILL)
    assert pod.wait(30) == 137
    word = pod.termination()
    assert (word["rank"], word["exitCode"], word["reason"]) == (1, 137, "Error")
    assert word["message"].startswith("rank 1 was killed by SIGKILL; its last line was: ")
    assert child_of(pod.process.pid, 0) is None
    marked = re.findall(r"^\[rank ([01])\] ", pod.log_text(), re.MULTILINE)
    assert set(marked) == {"0", "1"}
