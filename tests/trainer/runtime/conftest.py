"""Pods of a CPU job as plain processes: what the operator and a kubelet would give them.

Nothing of the trainer is replaced: the launcher, its children and TensorFlow are real.
"""

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

JOB_UID = "6f1c6b1e-2f6e-4f0c-9a51-3d1f0c2b7a10"
ALLOCATION = "ascend.kubectl.kubernetes.io/ascend-910-configuration"


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Pod:
    """One launcher with folders of its own."""

    def __init__(self, folder, name, npus, npus_per_pod=1, attempt=1, **env):
        self.folder = folder
        self.name = name
        self.port = free_ports(1)[0]
        self.config = folder / "config"
        self.podinfo = folder / "podinfo"
        for each in (self.config, self.podinfo):
            each.mkdir(parents=True)
        self.termination_log = folder / "termination-log"
        self.termination_log.touch()
        self.env = dict(
            os.environ,
            JOB_POD_NAME=name,
            POD_IP="127.0.0.1",
            HOST_IP="127.0.0.1",
            ENJ_JOB_NAME="job",
            ENJ_JOB_UID=JOB_UID,
            ENJ_ATTEMPT=str(attempt),
            ENJ_NPUS=str(npus),
            ENJ_NPUS_PER_POD=str(npus_per_pod),
            ENJ_ACCELERATOR="CPU",
            ENJ_HTTP_PORT=str(self.port),
            ENJ_STOP_GRACE_S="60",
            RANK_TABLE_DIR=str(self.config),
            PODINFO_DIR=str(self.podinfo),
            TERMINATION_LOG=str(self.termination_log),
            TMPDIR=str(folder),
        )
        self.env.update(env)
        self.process = None
        self.write(b'{"status":"initializing"}', b"[]", annotate=False)

    def write(self, table, peers, annotate=True, annotations=()):
        (self.config / "hccl.json").write_bytes(table)
        (self.config / "peers.json").write_bytes(peers)
        values = dict(annotations)
        if annotate:
            digest = hashlib.sha256(table).hexdigest()
            values["efficientnet.dev/rank-table"] = digest
        text = "".join(f"{k}={json.dumps(v)}\n" for k, v in values.items())
        (self.podinfo / "annotations").write_text(text)

    def start(self, *flags):
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "efficientnet_trainer.cli", "launch", *flags],
                env=self.env,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self

    def wait(self, timeout):
        return self.process.wait(timeout)

    def log_text(self):
        return (self.folder / "log").read_text(errors="replace")

    def termination(self):
        return json.loads(self.termination_log.read_text())

    def get(self, path):
        """Return status and body of one of the launcher's endpoints."""
        url = f"http://127.0.0.1:{self.port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except (urllib.error.URLError, OSError) as error:
            return 0, str(error)

    def ranks(self):
        status, body = self.get("/progress")
        return json.loads(body)["ranks"] if status == 200 else []

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def publish(pods, ranks_per_pod=1, address="127.0.0.1"):
    """Give all pods the completed files, as the operator does once all have their devices."""
    ports = free_ports(len(pods) * ranks_per_pod)
    peers = [
        {"rank": rank, "pod": pod.name, "podIP": address, "port": ports[rank]}
        for index, pod in enumerate(pods)
        for rank in range(index * ranks_per_pod, (index + 1) * ranks_per_pod)
    ]
    table = {
        "status": "completed",
        "version": "1.0",
        "server_count": "1",
        "server_list": [
            {
                "server_id": "127.0.0.1",
                "device": [
                    {
                        "device_id": str(p["rank"]),
                        "device_ip": "127.0.0.1",
                        "rank_id": str(p["rank"]),
                    }
                    for p in peers
                ],
            }
        ],
    }
    for pod in pods:
        own = [{"device_id": str(p["rank"])} for p in peers if p["pod"] == pod.name]
        allocation = json.dumps({"server_id": "127.0.0.1", "devices": own})
        on_npus = pod.env["ENJ_ACCELERATOR"] != "CPU"
        annotations = {ALLOCATION: allocation} if on_npus else {}
        pod.write(json.dumps(table).encode(), json.dumps(peers).encode(), annotations=annotations)


def wait_until(condition, timeout, what):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {timeout} s: {what}")


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """The digits as 32-pixel PNGs, and the flags that go with them."""
    folder = tmp_path_factory.mktemp("digits")
    words = ["prepare", "digits", "--out", str(folder), "--size", "32", "--format", "png"]
    subprocess.run(
        [sys.executable, "-m", "efficientnet_trainer.cli", *words, "--train_shards", "2"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return [
        f"--data_dir={folder}",
        "--num_train_images=1437",
        "--num_eval_images=360",
        "--num_label_classes=10",
        "--input_image_size=32",
        "--crop_and_flip=false",
        # Every kind of layer is there, in a network that is built and compiled in seconds.
        "--width_coefficient=0.25",
        "--depth_coefficient=0.1",
        "--train_batch_size=8",
        "--eval_batch_size=100",
        "--moving_average_decay=0.9",
        "--log_steps=1",
        # The default's 1024 is too much for some new networks: an update more is left out.
        "--loss_scale=8",
    ]


@pytest.fixture(scope="session")
def quick(digits):
    """The same without slots and averages: half the operations to build."""
    return [*digits, "--optimizer=sgd", "--moving_average_decay=0"]


@pytest.fixture(scope="module")
def make_pod(tmp_path_factory):
    """Make pods that are killed at the end of the module, whatever happened."""
    made = []

    def make(name, npus, **keywords):
        made.append(Pod(tmp_path_factory.mktemp("pod"), name, npus, **keywords))
        return made[-1]

    yield make
    for pod in made:
        pod.kill()


@pytest.fixture(scope="session")
def publish_files():
    return publish


@pytest.fixture(scope="session")
def read_weights():
    """Read all variables of a checkpoint, by name."""

    def read(path):
        reader = tf.train.load_checkpoint(str(path))
        return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}

    return read


@pytest.fixture(scope="session")
def assert_equal_weights(read_weights):
    """Compare what both ranks of a gang saved at a step, but for names with certain ends."""

    def compare(model_dir, step, but=()):
        folders = (model_dir, model_dir / "tmp_worker_1")
        own, other = (read_weights(folder / f"model.ckpt-{step}") for folder in folders)
        assert set(own) == set(other)
        assert len(own) > 100
        for name in own:
            if not name.endswith(but):
                assert np.array_equal(own[name], other[name]), name

    return compare


@pytest.fixture(scope="session")
def eventually():
    return wait_until


@pytest.fixture(scope="session")
def free_port():
    return lambda: free_ports(1)[0]
