"""Where TensorFlow forms the cluster, ranks wait for the addresses that follow the table."""

import signal

import pytest

pytestmark = pytest.mark.timeout(180)


def test_it_starts_with_the_addresses_and_is_ready_from_then_on(
    make_pod, publish_files, eventually, quick, tmp_path
):
    pod, other = (make_pod(f"j-1-{i}", 2, ENJ_ACCELERATOR="Ascend910") for i in range(2))
    publish_files([pod, other], address="")
    pod.start(f"--model_dir={tmp_path}", *quick)
    eventually(lambda: "rank table complete" in pod.log_text(), 20, "the table is there")
    lack = "peers.json has no address of 2 of 2 ranks yet, the first in pod j-1-0"
    assert pod.get("/readyz") == (503, lack + "\n")
    assert f"waiting for its peers' addresses for 0 s: {lack}" in pod.log_text()
    assert "starting ranks" not in pod.log_text()

    publish_files([pod, other])
    eventually(lambda: "starting ranks [0] of 2" in pod.log_text(), 20, "rank 0 starts")
    assert pod.get("/readyz")[0] == 200
    pod.write(b"{}", b"[]")
    assert pod.get("/readyz")[0] == 200
    pod.process.send_signal(signal.SIGTERM)
    assert pod.wait(60) == 143


def test_a_stop_says_what_it_waited_for(make_pod, publish_files, eventually):
    pods = [make_pod(f"j-1-{i}", 2, ENJ_ACCELERATOR="Ascend910") for i in range(2)]
    publish_files(pods, address="")
    pod = pods[0].start("--data_dir=/none", "--model_dir=/none")
    eventually(lambda: "waiting for its peers" in pod.log_text(), 20, "it waits")
    pod.process.send_signal(signal.SIGTERM)
    assert pod.wait(10) == 143
    assert "stopped while waiting for its peers' addresses" in pod.termination()["message"]
