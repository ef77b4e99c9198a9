"""Convert the network to TensorFlow Lite in uint8, and see whether it still tells classes.

TensorFlow 1.15's converter quantises to int8 from the ranges that activations take on some
images, and puts uint8 at both ends.  The ranges come from the validation images: training
images are cropped at random, which serving never sees.
"""

import os
import sys
from typing import Any, Dict, Iterator, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.inference import INPUT, PROBABILITIES, Network
from efficientnet_trainer.input import make_input_fn

CHECKED_IMAGES = 200
AGREEMENT = 0.9
"""Share of images on which the quantised network must answer as well as the checkpoint."""
MARGIN = 0.05
"""A class that the checkpoint holds for nearly as likely as its first is as good an answer."""
_READ_AT_ONCE = 32
_CONVERTER = "toco_from_protos"


def calibration_images(config: TrainerConfig, count: int) -> Iterator[Tuple[Any, int]]:
    """Yield validation images as served, float32 [1, size, size, 3] in 0 .. 255, and classes.

    Args:
        config: where the data are.
        count: how many at most.

    Raises:
        DataError: the data are missing or broken.
    """
    batch = config.model_copy(update={"eval_batch_size": _READ_AT_ONCE})
    graph = tf.Graph()
    with graph.as_default():
        dataset = make_input_fn(batch, False, 1, 0)()
        following = tf.data.make_one_shot_iterator(dataset).get_next()
    # No default graph or session here: a generator's context would mix with its consumer's.
    session = tf.Session(graph=graph)
    try:
        while count > 0:
            images, classes = session.run(following)
            for image, label in zip(images[:count], classes):
                # Resizing overshoots; the chip is given bytes.
                yield np.clip(np.round(image), 0.0, 255.0)[np.newaxis], int(label)
            count -= len(images)
    except tf.errors.OutOfRangeError:
        return
    finally:
        session.close()


def write_tflite(config: TrainerConfig, graph_def: Any, path: str) -> None:
    """Convert a frozen graph, calibrated with --num_steps images.

    Args:
        config: where the images are and how many are wanted.
        graph_def: from INPUT to PROBABILITIES.
        path: where the file goes.
    """
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        ends = [[graph.get_tensor_by_name(name + ":0")] for name in (INPUT, PROBABILITIES)]
        converter = tf.lite.TFLiteConverter(graph_def, *ends)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [image] for image, _ in calibration_images(config, config.num_steps)
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.uint8
        _find_converter()
        content = converter.convert()
    with open(path, "wb") as stream:
        stream.write(content)


class Quantised:
    """A TensorFlow Lite file with uint8 at both ends, one image at a time."""

    def __init__(self, path: str) -> None:
        """Load it."""
        self._interpreter = tf.lite.Interpreter(model_path=path)
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()

    @property
    def input_quantization(self) -> Tuple[float, int]:
        """Scale and zero point: a pixel is scale * (byte - zero point)."""
        scale, zero_point = self._input["quantization"]
        return float(scale), int(zero_point)

    def probabilities(self, image: Any) -> Any:
        """Return float32 [classes] of an image, float32 [1, size, size, 3]."""
        scale, zero_point = self.input_quantization
        given = np.clip(np.round(image / scale) + zero_point, 0, 255).astype(np.uint8)
        self._interpreter.set_tensor(self._input["index"], given)
        self._interpreter.invoke()
        scale, zero_point = self._output["quantization"]
        found = self._interpreter.get_tensor(self._output["index"])[0]
        return (found.astype(np.float32) - zero_point) * scale


def check_tflite(config: TrainerConfig, network: Network, path: str) -> Tuple[Dict[str, Any], str]:
    """Compare a quantised network with its checkpoint on calibration images.

    Returns:
        Figures for the report; and what is wrong, or nothing.
    """
    quantised = Quantised(path)
    images = same = as_good = right = right_before = 0
    largest = 0.0
    for image, label in calibration_images(config, min(config.num_steps, CHECKED_IMAGES)):
        found = quantised.probabilities(image)
        wanted = network.answer(image).probabilities[0]
        # Of equally likely ones, which bytes make frequent, the first that the checkpoint holds
        # for likeliest: which one is told is the caller's matter.
        told = max(np.flatnonzero(found == found.max()), key=lambda index: wanted[index])
        images += 1
        same += int(told == wanted.argmax())
        as_good += int(wanted[told] >= wanted.max() - MARGIN)
        right += int(told == label)
        right_before += int(wanted.argmax() == label)
        largest = max(largest, float(np.abs(found - wanted).max()))
    scale, zero_point = quantised.input_quantization
    figures = {
        "images": images,
        "top_1_agreement": same / images,
        "top_1_accuracy": right / images,
        "top_1_accuracy_of_checkpoint": right_before / images,
        "largest_difference": largest,
        "input_scale": scale,
        "input_zero_point": zero_point,
    }
    if as_good >= AGREEMENT * images:
        return figures, ""
    return figures, (
        f"on {images - as_good} of {images} calibration images it prefers a class that the "
        f"checkpoint holds for less likely by more than {MARGIN:g}, the limit is "
        f"{1 - AGREEMENT:.0%}; calibrate with more images (--num_steps is {config.num_steps}), or "
        f"use a lite or edgetpu member, which were made for uint8"
    )


def _find_converter() -> None:
    """Let the converter's own process be found: a program that pip puts beside Python's."""
    folder = os.path.dirname(sys.executable)
    places = os.environ.get("PATH", "").split(os.pathsep)
    if folder not in places and os.path.exists(os.path.join(folder, _CONVERTER)):
        os.environ["PATH"] = os.pathsep.join([folder, *places])
