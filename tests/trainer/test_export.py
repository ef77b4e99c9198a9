"""What is exported answers as the checkpoint does, or does not get its name."""

import json
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.backend import Rank, session_config
from efficientnet_trainer.errors import DataError
from efficientnet_trainer.export import (
    LARGEST_DIFFERENCE,
    ExportError,
    export_model,
    freeze_graph,
    largest_difference,
    sample_images,
)
from efficientnet_trainer.flags import build_config
from efficientnet_trainer.inference import Answer, Network, run_batches

# TensorFlow's own loader compares versions in a way that its setuptools announces the end of.
pytestmark = pytest.mark.filterwarnings("ignore:distutils Version classes:DeprecationWarning")

NAME = "efficientnet-b0"


@pytest.fixture
def config(saved_network, tmp_path):
    return build_config(dict(saved_network, export_dir=str(tmp_path / "export")))


def export_as(config, *formats, limit=LARGEST_DIFFERENCE):
    config = config.model_copy(update={"export_formats": formats})
    return export_model(config, os.path.join(config.model_dir, "model.ckpt-5"), limit)


@pytest.fixture(scope="module")
def exported(saved_network, tmp_path_factory):
    """Both formats of float32, exported over what an earlier export left."""
    folder = tmp_path_factory.mktemp("export")
    (folder / "saved_model" / "5" / "variables").mkdir(parents=True)
    (folder / "saved_model" / "5" / "old").write_text("")
    (folder / f"{NAME}-5.pb.partial").write_text("half")
    config = build_config(dict(saved_network, export_dir=str(folder)))
    return config, export_as(config, "saved_model", "graph_def")


def test_a_saved_model_answers_to_images_and_to_pixels(exported):
    config, report = exported
    folder = os.path.join(config.export_dir, "saved_model", "5")
    assert report["saved_model"]["path"] == folder
    assert 0 <= report["saved_model"]["largest_difference"] <= 1e-4
    images = sample_images(config.image_size)
    with Network(config, config.model_dir) as network:
        pixels = network.decode(images)
        wanted = network.answer(pixels).probabilities
    with tf.Session(graph=tf.Graph(), config=session_config(Rank(0, 1, 1))) as session:
        signatures = tf.saved_model.load(session, ["serve"], folder).signature_def
        assert set(signatures) == {"serving_default", "pixels"}
        for name, key, fed in (
            ("serving_default", "encoded_images", images),
            ("pixels", "input", pixels),
        ):
            signature = signatures[name]
            outputs = [signature.outputs[each].name for each in ("probabilities", "classes")]
            found, classes = session.run(outputs, {signature.inputs[key].name: fed})
            assert np.allclose(found, wanted, atol=1e-4)
            assert classes.tolist() == wanted.argmax(axis=1).tolist()
    # The images of the comparison are told apart, or it would compare nothing.
    assert np.ptp(wanted, axis=0).max() > 1e-3


def test_a_frozen_graph_has_plain_pixels_in_and_no_variables(exported):
    config, report = exported
    path = os.path.join(config.export_dir, f"{NAME}-5.pb")
    assert report["graph_def"]["path"] == path
    assert 0 <= report["graph_def"]["largest_difference"] <= 1e-4
    graph_def = tf.GraphDef.FromString(open(path, "rb").read())  # noqa: SIM115
    nodes = {node.name: node for node in graph_def.node}
    assert nodes["input"].op == "Placeholder"
    assert nodes["probabilities"].op == "Softmax"
    ops = {node.op for node in graph_def.node}
    assert not [op for op in ops if "Variable" in op or "Decode" in op or "VarHandle" in op]
    (shape,) = tf.import_graph_def(graph_def, return_elements=["input:0"], name="")
    assert shape.shape.as_list() == [None, 16, 16, 3]


def test_the_report_stands_beside_the_files(exported):
    config, report = exported
    with open(os.path.join(config.export_dir, f"{NAME}-5.json")) as stream:
        assert json.load(stream) == report
    assert report["checkpoint"].endswith("model.ckpt-5")
    assert report["step"] == 5
    assert sorted(os.listdir(config.export_dir)) == [
        f"{NAME}-5.json",
        f"{NAME}-5.pb",
        "saved_model",
    ]
    saved = os.path.join(config.export_dir, "saved_model")
    assert os.listdir(saved) == ["5"]
    assert "old" not in os.listdir(os.path.join(saved, "5"))


def test_what_answers_otherwise_is_not_published(exported):
    """A limit that nothing can keep stands for a writer that damages weights."""
    config, _ = exported
    path = os.path.join(config.export_dir, f"{NAME}-5.pb")
    before = os.stat(path).st_mtime_ns
    with pytest.raises(ExportError) as caught:
        export_as(config, "graph_def", limit=-1.0)
    message = str(caught.value)
    assert path in message
    assert os.path.join(config.model_dir, "model.ckpt-5") in message
    assert "the largest difference of their answers is" in message
    assert os.stat(path).st_mtime_ns == before
    os.unlink(path + ".partial")


DIFFERENCES = {
    "alike": ([0.0, 0.0], [0.5, 0.5], 0.0),
    "a probability": ([0.0, 0.0], [0.5, 0.4], 0.1),
    "a small logit, as it is": ([0.25, 0.0], [0.5, 0.5], 0.25),
    "not a number": ([float("nan"), 0.0], [0.5, 0.5], float("nan")),
}


@pytest.mark.parametrize("logits, probabilities, want", DIFFERENCES.values(), ids=DIFFERENCES)
def test_largest_difference(logits, probabilities, want):
    wanted = Answer(np.zeros((1, 2)), np.full((1, 2), 0.5))
    found = Answer(np.array([logits]), np.array([probabilities]))
    assert largest_difference(found, wanted) == pytest.approx(want, nan_ok=True)


def test_large_logits_are_compared_by_their_size():
    wanted = Answer(np.array([[100.0, 0.0]]), np.array([[1.0, 0.0]]))
    found = Answer(np.array([[100.5, 0.0]]), np.array([[1.0, 0.0]]))
    assert largest_difference(found, wanted) == pytest.approx(0.005)


def test_other_weights_are_seen(config):
    """The comparison itself: a graph of another draw of weights is no export of this one."""
    with Network(config, config.model_dir) as network:
        frozen = freeze_graph(network)
        pixels = network.decode(sample_images(config.image_size))
        wanted = network.answer(pixels)
    for node in frozen.node:
        if node.name.endswith("head/dense/bias"):
            value = tf.make_ndarray(node.attr["value"].tensor) + np.arange(10) / 100
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.float32(value)))
    with tf.Graph().as_default(), tf.Session(config=session_config(Rank(0, 1, 1))) as session:
        tf.import_graph_def(frozen, name="")
        found = run_batches(session, pixels)
    assert largest_difference(found, wanted) > 1e-3


def test_uint8_tells_classes_as_the_checkpoint_does(
    config, write_split, build_example, encode_image
):
    random = np.random.RandomState(4)
    images = random.randint(0, 256, (12, 16, 16, 3))
    records = [build_example(i % 10 + 1, encode_image(image)) for i, image in enumerate(images)]
    folder = write_split("validation", [records])
    config = config.model_copy(update={"data_dir": str(folder), "num_steps": 9})
    report = export_as(config, "tflite")["tflite"]
    assert report["images"] == 9
    assert report["top_1_agreement"] >= 0.5
    assert report["largest_difference"] < 0.3
    assert (report["input_scale"], report["input_zero_point"]) == (pytest.approx(1, abs=0.01), 0)
    interpreter = tf.lite.Interpreter(model_path=report["path"])
    ends = (*interpreter.get_input_details(), *interpreter.get_output_details())
    assert [end["dtype"] for end in ends] == [np.uint8, np.uint8]


def test_a_network_that_is_not_the_checkpoints_is_bad_data(config):
    other = config.model_copy(update={"num_label_classes": 11})
    with pytest.raises(DataError, match=r"variables of another shape: .*head/dense"):
        export_as(other, "graph_def")
