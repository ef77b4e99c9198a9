"""What the trainer's tests share: small data sets, small networks, the console script."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.backend import Rank, session_config
from efficientnet_trainer.flags import build_config
from efficientnet_trainer.model import build_logits
from PIL import Image


def _share_cores():
    """Give each of pytest-xdist's workers cores of its own.

    TensorFlow starts a thread for each core that it may use: workers that share all of them
    are slower together than one alone.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        return
    number, count = int(worker[2:]), int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[number::count] or cores)


_share_cores()

SCRIPT = os.path.join(os.path.dirname(sys.executable), "efficientnet-trainer")


@pytest.fixture(autouse=True)
def own_graph():
    """Give each test a graph of its own, so that names and collections do not leak."""
    with tf.Graph().as_default():
        yield


def scope_lines(variables):
    """Write one line for each scope; blocks that follow each other and are alike share one."""
    scopes = {}
    for name, shape, _ in variables:
        scope, inner = name.split("/", 2)[1:]
        layer, last = inner.rsplit("/", 1)
        if layer.startswith("tpu_batch_normalization"):
            inner = layer if last == "gamma" else None
        sizes = scopes.setdefault(scope, {})
        if inner:
            sizes[inner] = "x".join(map(str, shape))
    groups = []
    for scope, sizes in scopes.items():
        text = " ".join(f"{inner}={size}" for inner, size in sorted(sizes.items()))
        if groups and groups[-1][1] == text:
            groups[-1][0].append(scope)
        else:
            groups.append(([scope], text))
    return [
        (names[0] if len(names) == 1 else "{}..{}".format(names[0], names[-1].split("_")[1]))
        + f": {text}"
        for names, text in groups
    ]


@pytest.fixture(scope="session")
def contract_lines():
    """Write variables (name, shape, whether trainable) as the files of the contract do."""

    def write(variables):
        trainable = [shape for _, shape, is_trainable in variables if is_trainable]
        parameters = sum(int(np.prod(shape)) for shape in trainable)
        statistics = len(variables) - len(trainable)
        head = f"{parameters} parameters, {len(trainable)} trainable variables, "
        return [head + f"{statistics} moving statistics", *scope_lines(variables)]

    return write


@pytest.fixture(scope="session")
def read_contract():
    """Read the lines of one member's file in the contract."""

    def read(model_name):
        folder = os.path.join(os.path.dirname(__file__), "..", "contract", "variables")
        with open(os.path.join(folder, model_name + ".txt")) as file:
            return file.read().splitlines()

    return read


@pytest.fixture
def encode_image():
    """Encode uint8 pixels [h, w] or [h, w, 3]."""

    def encode(pixels, image_format="png"):
        buffer = io.BytesIO()
        Image.fromarray(np.uint8(pixels)).save(buffer, image_format)
        return buffer.getvalue()

    return encode


@pytest.fixture
def build_example(encode_image):
    """Build a serialized Example; a label or image of None leaves the key out."""
    blank = encode_image(np.zeros((8, 8, 3)))

    def build(label, image=blank):
        feature = {}
        if label is not None:
            int64_list = tf.train.Int64List(value=[label])
            feature["image/class/label"] = tf.train.Feature(int64_list=int64_list)
        if image is not None:
            bytes_list = tf.train.BytesList(value=[image])
            feature["image/encoded"] = tf.train.Feature(bytes_list=bytes_list)
        return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()

    return build


@pytest.fixture
def write_split(tmp_path, build_example):
    """Write lists of labels (or serialized records), a file each; return the directory."""

    def write(split, files):
        for number, contents in enumerate(files):
            path = tmp_path / f"{split}-{number:05d}-of-{len(files):05d}"
            with tf.io.TFRecordWriter(str(path)) as writer:
                for content in contents:
                    is_record = isinstance(content, bytes)
                    writer.write(content if is_record else build_example(content))
        return tmp_path

    return write


@pytest.fixture
def make_config(tmp_path):
    """Build a config for tmp_path; keywords override."""

    def make(**flags):
        values = {"data_dir": str(tmp_path), "model_dir": str(tmp_path / "out")}
        values.update(input_image_size=8, crop_and_flip=False)
        values.update(flags)
        return build_config(values)

    return make


@pytest.fixture
def small_network(make_config):
    """A config whose network is a twentieth of b0, for what has to be run."""

    def make(**flags):
        values = {"width_coefficient": 0.25, "depth_coefficient": 0.3, "num_label_classes": 10}
        values.update(flags)
        return make_config(**values)

    return make


@pytest.fixture(scope="session")
def saved_network(tmp_path_factory):
    """The flags of a tiny network of which ``model_dir`` holds a checkpoint of step 5."""
    folder = tmp_path_factory.mktemp("saved")
    flags = {
        "data_dir": str(folder),
        "model_dir": str(folder),
        "num_label_classes": 10,
        "width_coefficient": 0.1,
        "depth_coefficient": 0.1,
        "input_image_size": 16,
        "crop_and_flip": False,
    }
    with tf.Graph().as_default(), tf.Session(config=session_config(Rank(0, 1, 1))) as session:
        tf.set_random_seed(5)
        # Statistics of a batch, or the signal would fade on its way through the layers.
        quick = build_config(dict(flags, batch_norm_momentum=0.01)).architecture
        build_logits(tf.random.normal([32, 16, 16, 3], seed=5), quick, True, 10)
        session.run(tf.global_variables_initializer())
        session.run(tf.get_collection(tf.GraphKeys.UPDATE_OPS))
        saved = {f"{v.op.name}/ExponentialMovingAverage": v for v in tf.global_variables()}
        saved["global_step"] = tf.get_variable("global_step", initializer=tf.constant(5, tf.int64))
        session.run(saved["global_step"].initializer)
        tf.train.Saver(saved).save(session, str(folder / "model.ckpt-5"))
    return flags


@pytest.fixture
def run_script(tmp_path):
    """Run the console script and return the finished process."""

    def run(*words):
        return subprocess.run(
            [SCRIPT, *[str(word) for word in words]],
            cwd=str(tmp_path),
            capture_output=True,
            text=True,
        )

    return run


@pytest.fixture(scope="session")
def take():
    """Return the labels of the first batches of an endless data set."""

    def take_labels(input_fn, count):
        with tf.Graph().as_default(), tf.Session() as session:
            _, labels = tf.data.make_one_shot_iterator(input_fn()).get_next()
            return [session.run(labels) for _ in range(count)]

    return take_labels


@pytest.fixture(scope="session")
def damage():
    """Change one byte of a file's data; its time of change stays."""

    def flip(path, position=-10):
        before = path.stat()
        data = bytearray(path.read_bytes())
        data[position] ^= 1
        path.write_bytes(bytes(data))
        os.utime(str(path), ns=(before.st_atime_ns, before.st_mtime_ns))

    return flip
