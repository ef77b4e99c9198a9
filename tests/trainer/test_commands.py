"""describe, logits and prepare, as people run them: by the console script."""

import json

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.architecture import architecture
from efficientnet_trainer.cli import main
from efficientnet_trainer.input import make_input_fn
from efficientnet_trainer.model import build_logits
from efficientnet_trainer.optimizer import averaged_variables, moving_average

NAME = "efficientnet-lite0"
"""The member with the smallest graph."""


@pytest.fixture
def run_main(monkeypatch, tmp_path, capsys):
    """Run the script's entry in this process; return the code and both outputs."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        try:
            code = main([str(word) for word in words])
        except SystemExit as error:
            code = error.code
        return (code, *capsys.readouterr())

    return run


def test_describe_prints_json_and_nothing_else(run_script, contract_lines, read_contract):
    done = run_script("describe", "--model_name", "efficientnet-b0", "--json")
    assert done.returncode == 0, done.stderr
    described = json.loads(done.stdout)
    variables = described.pop("variables")
    assert described == {
        "model_name": "efficientnet-b0",
        "image_size": 224,
        "parameters": 5288548,
        "trainable_variables": 213,
    }
    found = [(v["name"], v["shape"], v["trainable"]) for v in variables]
    assert contract_lines(found) == read_contract("efficientnet-b0")
    still = {v["name"].rsplit("/", 1)[1] for v in variables if not v["trainable"]}
    assert still == {"moving_mean", "moving_variance"}


def test_describe_prints_a_table(run_main):
    _, printed, _ = run_main("describe", f"--model_name={NAME}", "--num_label_classes=10")
    lines = printed.splitlines()
    dense = next(line for line in lines if line.startswith(f"{NAME}/head/dense/kernel"))
    assert dense.split() == [f"{NAME}/head/dense/kernel", "1280x10"]
    # 4,652,008 with 1000 classes; a class has 1280 weights and a bias.
    assert lines[-1].startswith(f"{NAME}: {4652008 - 990 * 1281:,} parameters in 149 ")


WRONG_WORDS = {
    "an unknown model": (["--model_name=b0"], "invalid choice: 'b0'"),
    "no class": (["--num_label_classes=0"], "--num_label_classes is 0; use 1 or more"),
}


@pytest.mark.parametrize("words, message", WRONG_WORDS.values(), ids=WRONG_WORDS)
def test_describe_refuses_wrong_words(words, message, run_main):
    code, printed, complaint = run_main("describe", *words)
    assert code == 2
    assert message in complaint
    assert printed == ""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A checkpoint of seven classes, inputs, and the logits of its weights and averages."""
    folder = tmp_path_factory.mktemp("trained")
    images = np.random.RandomState(0).randn(3, 32, 48, 3).astype(np.float32)
    prefix = str(folder / "model.ckpt-5")
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        logits = build_logits(tf.constant(images), architecture(NAME), False, 7)
        variables = averaged_variables()
        average = moving_average(0.5)
        follow = average.apply(variables)
        session.run(tf.global_variables_initializer())
        raw = session.run(logits)
        tf.train.Saver().save(session, prefix)
        # The weights go on, the averages stay: adding 1 to the last bias adds 1 to each logit.
        bias = next(v for v in variables if v.op.name.endswith("dense/bias"))
        session.run(tf.assign_add(bias, tf.ones([7])))
        tf.train.Saver().save(session, prefix)
        del follow
    np.save(str(folder / "x.npy"), images)
    return folder, {"false": raw + 1.0, "true": raw}


@pytest.mark.parametrize("ema", ["false", "true"])
def test_logits_are_those_of_the_checkpoint(ema, trained, run_script, tmp_path):
    folder, want = trained
    done = run_script(
        "logits",
        *("--model_name", NAME),
        *("--checkpoint", folder / "model.ckpt-5"),
        *("--input", folder / "x.npy"),
        *("--output", tmp_path / "y.npy"),
        *([] if ema == "false" else ["--ema", "true"]),
    )
    assert done.returncode == 0, done.stderr
    got = np.load(str(tmp_path / "y.npy"))
    assert (got.dtype, got.shape) == (np.float32, (3, 7))
    np.testing.assert_allclose(got, want[ema], atol=1e-5)
    assert not list(tmp_path.glob("*.partial"))


def test_logits_take_the_newest_checkpoint_of_a_directory(trained, run_main, tmp_path):
    folder, want = trained
    run_main(
        "logits", "--model_name", NAME, "--checkpoint", folder,
        "--input", folder / "x.npy", "--output", tmp_path / "y",
    )  # fmt: skip
    np.testing.assert_allclose(np.load(str(tmp_path / "y")), want["false"], atol=1e-5)


UNREADABLE = {
    # what replaces a good option, message
    "no checkpoint": ({"--checkpoint": "none/model.ckpt-9"}, "no checkpoint at none/model.ckpt-9"),
    "another model": (
        {"--model_name": "efficientnet-b0"},
        "has no variable efficientnet-b0/head/dense/kernel; it is of another model "
        "(efficientnet-lite0), use its --model_name",
    ),
    "no input": ({"--input": "none.npy"}, "--input none.npy cannot be read as .npy"),
    "float64": ({"--input": "float64.npy"}, "--input float64.npy is float64; wanted float32"),
    "one image": ({"--input": "flat.npy"}, "has shape (8, 8, 3); wanted [n, h, w, 3]"),
    "a damaged checkpoint": ({"--checkpoint": "damaged/m"}, "checkpoint damaged/m cannot be read"),
    "missing variables": (
        {"--checkpoint": "partial/m"},
        "lacks 246 of 247 variables: efficientnet-lite0/blocks_0/conv2d/kernel, ",
    ),
    "no averages": ({"--ema": "true", "--checkpoint": "whole/m"}, "use --ema=false"),
}


@pytest.fixture(scope="module")
def wrong_files(tmp_path_factory, trained):
    """Files that are wrong in a way each, beside the good ones."""
    folder = tmp_path_factory.mktemp("wrong")
    for name in ("damaged", "partial", "whole"):
        (folder / name).mkdir()
    np.save(str(folder / "float64.npy"), np.zeros((1, 8, 8, 3)))
    np.save(str(folder / "flat.npy"), np.zeros((8, 8, 3), np.float32))
    good = trained[0] / "model.ckpt-5"
    for suffix in (".index", ".data-00000-of-00001"):
        data = (good.parent / (good.name + suffix)).read_bytes()
        cut = len(data) // 2 if suffix.startswith(".data") else len(data)
        (folder / "damaged" / ("m" + suffix)).write_bytes(data[:cut])
    with tf.Graph().as_default(), tf.Session() as session:
        kernel = tf.get_variable(f"{NAME}/head/dense/kernel", [1280, 7])
        session.run(kernel.initializer)
        tf.train.Saver([kernel]).save(session, str(folder / "partial" / "m"))
    with tf.Graph().as_default(), tf.Session() as session:
        build_logits(tf.zeros([1, 32, 32, 3]), architecture(NAME), False, 7)
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(folder / "whole" / "m"))
    return folder


@pytest.mark.parametrize("changes, message", UNREADABLE.values(), ids=UNREADABLE)
def test_logits_say_what_cannot_be_read(
    changes, message, trained, wrong_files, run_main, tmp_path
):
    for path in wrong_files.iterdir():
        (tmp_path / path.name).symlink_to(path)
    words = {
        "--model_name": NAME,
        "--checkpoint": trained[0] / "model.ckpt-5",
        "--input": trained[0] / "x.npy",
        "--output": "y.npy",
    }
    words.update(changes)
    code, _, complaint = run_main("logits", *[word for pair in words.items() for word in pair])
    assert code == 3
    assert message in complaint.splitlines()[-1]
    assert not (tmp_path / "y.npy").exists()


def read_split(config, is_training, num_batches):
    """Return the images and labels of a number of batches."""
    dataset = make_input_fn(config, is_training, 1, 0)()
    batch = tf.data.make_one_shot_iterator(dataset).get_next()
    with tf.Session() as session:
        images, labels = zip(*[session.run(batch) for _ in range(num_batches)])
    return np.concatenate(images), np.concatenate(labels)


@pytest.mark.parametrize("image_format", ["jpeg", "png"])
def test_prepared_digits_are_read_back(image_format, run_script, tmp_path, make_config):
    done = run_script("prepare", "digits", "--out", "data", "--format", image_format)
    assert done.returncode == 0, done.stderr
    assert "1437 training and 360 validation images" in done.stdout
    assert "--num_label_classes=10 --input_image_size=32 --crop_and_flip=false" in done.stdout
    found = sorted(path.name for path in (tmp_path / "data").iterdir())
    assert found == ["efficientnet-index.json", "labels.txt"] + [
        f"train-{n:05d}-of-00004" for n in range(4)
    ] + [f"validation-{n:05d}-of-00002" for n in range(2)]
    config = make_config(
        data_dir=str(tmp_path / "data"),
        num_label_classes=10,
        input_image_size=32,
        eval_batch_size=360,
    )
    images, labels = read_split(config, False, 1)
    assert images.shape == (360, 32, 32, 3)
    assert np.bincount(labels, minlength=10).min() >= 25
    # A zero has ink around its middle, a one in it.
    middle = images[:, 12:20, 14:18].mean(axis=(1, 2, 3))
    assert middle[labels == 1].mean() > 2 * middle[labels == 0].mean()


def test_prepare_gives_the_same_files_again(run_script, run_main, tmp_path):
    # In two processes: what hashes order may agree inside of one.
    run_script("prepare", "digits", "--out", "a", "--size", "8", "--train_shards", "1")
    run_main("prepare", "digits", "--out", "b", "--size", "8", "--train_shards", "1")
    name = "train-00000-of-00001"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


REFUSED = {
    "too small": (["--size", "4"], "--size is 4; use 8 to 512"),
    "no shards": (["--train_shards", "0"], "--train_shards is 0; use 1 to 1437"),
    "another set is there": (["--train_shards", "2"], "already has train-00000-of-00001"),
}


@pytest.mark.parametrize("words, message", REFUSED.values(), ids=REFUSED)
def test_prepare_refuses_what_cannot_be_read_back(words, message, run_main, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train-00000-of-00001").write_bytes(b"")
    code, _, complaint = run_main("prepare", "digits", "--out", "data", *words)
    assert code == 2
    assert message in complaint


def test_a_folder_that_cannot_be_made_is_named(run_main, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, problem = run_main("prepare", "digits", "--out", str(tmp_path / "file" / "x"))
    assert code == 1
    assert problem.startswith("efficientnet-trainer prepare: ")
    assert str(tmp_path / "file" / "x") in problem
