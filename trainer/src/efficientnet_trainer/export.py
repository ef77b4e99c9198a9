"""Write the trained network for serving, and check what was written against the checkpoint.

The last stage of a run with --export_dir, or all of --mode=export; on rank 0 alone and on the
CPU, for serving needs neither ranks nor NPUs.  Below --export_dir:

    saved_model/STEP/             two signatures: encoded images, and pixels
    MODEL-STEP.pb                 frozen GraphDef, for Ascend's ATC for instance
    MODEL-STEP.tflite             uint8 in and out
    MODEL-STEP.json               what was checked, and the largest differences

Each comes under its name only after it was run and agreed.
"""

import json
import os
import shutil
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from efficientnet_trainer.backend import Rank, session_config
from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.errors import TrainerError
from efficientnet_trainer.export_tflite import check_tflite, write_tflite
from efficientnet_trainer.inference import (
    CLASSES,
    ENCODED_IMAGES,
    INPUT,
    LOGITS,
    PROBABILITIES,
    Answer,
    Network,
    run_batches,
)
from efficientnet_trainer.termination import write_whole
from efficientnet_trainer.watching import step_of

LARGEST_DIFFERENCE = 1e-4
"""Of a probability, and of a logit as a share of the largest one."""
PIXELS_SIGNATURE = "pixels"
_PARTIAL = ".partial"
_SETTINGS = session_config(Rank(0, 1, 1))


class ExportError(TrainerError):
    """What was written does not answer as the checkpoint does."""


class _Format(NamedTuple):
    """How one kind of export is made."""

    file_name: str
    write: Callable[[TrainerConfig, Network, str], None]
    check: Callable[[TrainerConfig, Network, str, float], Dict[str, Any]]
    """Takes the limit, too; returns figures for the report, raises ExportError."""


def export_model(
    config: TrainerConfig, path: str, limit: float = LARGEST_DIFFERENCE
) -> Dict[str, Any]:
    """Write and check what --export_formats names, and return the report.

    Args:
        config: network, formats, and the images that calibrate uint8.
        path: the checkpoint.
        limit: of the difference between their answers, where those are in float32.

    Raises:
        DataError: the checkpoint, or the validation data, cannot be used.
        ExportError: an export answers otherwise than the checkpoint.
    """
    folder = str(config.export_dir)
    step = step_of(path)
    report: Dict[str, Any] = {"checkpoint": path, "step": step}
    with Network(config, path) as network:
        for name in config.export_formats:
            form = _FORMATS[name]
            target = os.path.join(
                folder, form.file_name.format(model=config.model_name, step=step)
            )
            partial = target + _PARTIAL
            _remove(partial)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            form.write(config, network, partial)
            try:
                figures = form.check(config, network, partial, limit)
            except ExportError as error:
                raise ExportError(
                    f"{name} at {partial} is not what checkpoint {path} is: {error}; "
                    f"{target} was not written"
                ) from None
            _put_in_place(partial, target)
            report[name] = dict(figures, path=target)
            tf.logging.info("Exported %s to %s: %s", name, target, _in_words(figures))
    report_path = os.path.join(folder, f"{config.model_name}-{step}.json")
    write_whole(report_path, json.dumps(report, indent=2).encode())
    return report


def largest_difference(found: Answer, wanted: Answer) -> float:
    """Return the largest difference of a probability, or of a logit by the largest logit."""
    scale = max(1.0, float(np.abs(wanted.logits).max()))
    probabilities = np.abs(found.probabilities - wanted.probabilities).max()
    logits = np.abs(found.logits - wanted.logits).max() / scale
    # Of numpy, whose maximum with something that is not a number is not a number, too.
    return float(np.maximum(probabilities, logits))


def sample_images(size: int) -> List[bytes]:
    """Return encoded images to compare on: JPEGs of several shapes and a PNG, always the same."""
    random = np.random.RandomState(0)
    shapes = [(size, size), (size, size * 3 // 2), (size * 2, size)]
    images = []
    for height, width in shapes:
        coarse = random.randint(0, 256, (-(-height // 8), -(-width // 8), 3))
        images.append(np.uint8(np.kron(coarse, np.ones((8, 8, 1))))[:height, :width])
    with tf.Graph().as_default(), tf.Session(config=_SETTINGS) as session:
        encoded = [tf.image.encode_jpeg(image, quality=95) for image in images]
        return list(session.run([*encoded, tf.image.encode_png(images[1])]))


def _write_saved_model(_config: TrainerConfig, network: Network, path: str) -> None:
    with network.graph.as_default():
        outputs = {
            name: tf.saved_model.build_tensor_info(network.graph.get_tensor_by_name(name + ":0"))
            for name in (LOGITS, PROBABILITIES, CLASSES)
        }

        def signature(name: str) -> Any:
            tensor = network.graph.get_tensor_by_name(name + ":0")
            return tf.saved_model.build_signature_def(
                {name: tf.saved_model.build_tensor_info(tensor)},
                outputs,
                tf.saved_model.PREDICT_METHOD_NAME,
            )

        builder = tf.saved_model.Builder(path)
        builder.add_meta_graph_and_variables(
            network.session,
            [tf.saved_model.SERVING],
            signature_def_map={
                tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY: signature(ENCODED_IMAGES),
                PIXELS_SIGNATURE: signature(INPUT),
            },
            strip_default_attrs=True,
            saver=tf.train.Saver(),
        )
        builder.save()


def _check_saved_model(
    config: TrainerConfig, network: Network, path: str, limit: float
) -> Dict[str, Any]:
    """Compare the answers of both signatures."""
    encoded = sample_images(config.image_size)
    pixels = network.decode(encoded)
    wanted = network.answer(pixels)
    differences = []
    with tf.Session(graph=tf.Graph(), config=_SETTINGS) as session:
        model = tf.saved_model.load(session, [tf.saved_model.SERVING], path)
        for signature in model.signature_def.values():
            outputs = Answer(*(signature.outputs[name].name for name in Answer._fields))
            (given,) = signature.inputs.values()
            fed = encoded if ENCODED_IMAGES in signature.inputs else pixels
            found = session.run(outputs, {given.name: fed})
            differences.append(largest_difference(found, wanted))
    return _held_to_limit(float(np.max(differences)), limit)


def freeze_graph(network: Network) -> Any:
    """Return the GraphDef from INPUT to PROBABILITIES, with the weights as constants."""
    graph_def = network.graph.as_graph_def()
    for node in graph_def.node:
        if node.name == INPUT:
            # What decodes images is cut off here: a converter for chips knows no JPEG.
            node.op = "Placeholder"
            del node.input[:]
    return tf.graph_util.convert_variables_to_constants(
        network.session, graph_def, [LOGITS, PROBABILITIES]
    )


def _write_graph_def(_config: TrainerConfig, network: Network, path: str) -> None:
    with open(path, "wb") as stream:
        stream.write(freeze_graph(network).SerializeToString())


def _check_graph_def(
    config: TrainerConfig, network: Network, path: str, limit: float
) -> Dict[str, Any]:
    pixels = network.decode(sample_images(config.image_size))
    graph_def = tf.GraphDef()
    with open(path, "rb") as stream:
        graph_def.ParseFromString(stream.read())
    with tf.Graph().as_default(), tf.Session(config=_SETTINGS) as session:
        tf.import_graph_def(graph_def, name="")
        found = run_batches(session, pixels)
    return _held_to_limit(largest_difference(found, network.answer(pixels)), limit)


def _held_to_limit(difference: float, limit: float) -> Dict[str, Any]:
    # Not greater-than: a difference of NaN is over any limit.
    if not difference <= limit:
        raise ExportError(
            f"the largest difference of their answers is {difference:.3g}, the limit {limit:g}"
        )
    return {"largest_difference": difference}


def _write_tflite(config: TrainerConfig, network: Network, path: str) -> None:
    write_tflite(config, freeze_graph(network), path)


def _check_tflite(
    config: TrainerConfig, network: Network, path: str, _limit: float
) -> Dict[str, Any]:
    figures, problem = check_tflite(config, network, path)
    if problem:
        raise ExportError(problem)
    return figures


_FORMATS = {
    "saved_model": _Format("saved_model/{step}", _write_saved_model, _check_saved_model),
    "graph_def": _Format("{model}-{step}.pb", _write_graph_def, _check_graph_def),
    "tflite": _Format("{model}-{step}.tflite", _write_tflite, _check_tflite),
}


def _put_in_place(partial: str, target: str) -> None:
    """Move what was checked to its name; a folder cannot replace another in one step."""
    if os.path.isdir(target):
        old = target + ".old"
        _remove(old)
        os.rename(target, old)
        os.rename(partial, target)
        _remove(old)
    else:
        os.replace(partial, target)


def _remove(path: str) -> None:
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.exists(path):
        os.unlink(path)


def _in_words(figures: Dict[str, Any]) -> str:
    pairs: List[Tuple[str, Any]] = sorted(figures.items())
    return ", ".join(
        f"{name.replace('_', ' ')} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in pairs
    )
