"""``efficientnet-trainer logits``: run a checkpoint on given inputs.

The inputs are fed as they are, without normalisation, so that two implementations can be
compared number by number and a caller can normalise in its own way.
"""

import argparse
import os
from typing import Any

from efficientnet_trainer.architecture import MODEL_NAMES, architecture
from efficientnet_trainer.errors import ConfigError, DataError

BATCH_SIZE = 32
"""Images at a time; bounds the memory of the large members."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, the checkpoint, the files and which weights to use."""
    parser.add_argument(
        "--model_name",
        default="efficientnet-b0",
        choices=MODEL_NAMES,
        metavar="NAME",
        help="member of the family: " + ", ".join(MODEL_NAMES),
    )
    parser.add_argument(
        "--checkpoint",
        required=True,
        metavar="PREFIX",
        help="DIR/model.ckpt-STEP, or a directory whose newest checkpoint is meant",
    )
    parser.add_argument(
        "--input",
        required=True,
        metavar="X.npy",
        help="float32 [n, h, w, 3], fed as it is: normalised or not is the caller's matter",
    )
    parser.add_argument(
        "--output", required=True, metavar="Y.npy", help="float32 [n, classes] goes here"
    )
    parser.add_argument(
        "--ema",
        default="false",
        choices=["true", "false"],
        help="use the moving averages of the weights, as evaluation does (default: false, "
        "the weights themselves, which every checkpoint has)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the logits; the number of classes is the checkpoint's.

    Raises:
        DataError: input or checkpoint are unreadable or do not fit the model.
        ConfigError: the output cannot be written.
    """
    import tensorflow.compat.v1 as tf

    from efficientnet_trainer.checkpoint import Checkpoint

    tf.logging.set_verbosity(tf.logging.ERROR)
    images = _load_images(args.input)
    checkpoint = Checkpoint(args.checkpoint)
    _save(compute(images, checkpoint, args.model_name, args.ema == "true"), args.output)
    return 0


def compute(images: Any, checkpoint: Any, model_name: str, use_average: bool) -> Any:
    """Run a member of the family in inference mode.

    Args:
        images: float32 array [n, h, w, 3].
        checkpoint: a ``Checkpoint``.
        model_name: the member.
        use_average: with the moving averages instead of the weights.

    Returns:
        float32 array [n, classes].

    Raises:
        DataError: the checkpoint is not of this model.
    """
    import numpy as np
    import tensorflow.compat.v1 as tf

    from efficientnet_trainer.model import build_logits

    num_classes = checkpoint.num_label_classes(model_name)
    with tf.Graph().as_default():
        fed = tf.placeholder(tf.float32, (None, *images.shape[1:]))
        logits = build_logits(fed, architecture(model_name), False, num_classes)
        with tf.Session() as session:
            checkpoint.restore(session, tf.global_variables(), use_average)
            batches = [
                session.run(logits, {fed: images[start : start + BATCH_SIZE]})
                for start in range(0, len(images), BATCH_SIZE)
            ]
    return np.concatenate(batches)


def _load_images(path: str) -> Any:
    import numpy as np

    try:
        images = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"--input {path} cannot be read as .npy: {error}") from None
    shape = getattr(images, "shape", None)
    if shape is None or len(shape) != 4 or shape[3] != 3 or 0 in shape:
        raise DataError(f"--input {path} has shape {shape}; wanted [n, h, w, 3], none of them 0")
    if images.dtype != np.float32:
        raise DataError(f"--input {path} is {images.dtype}; wanted float32, use .astype")
    return images


def _save(values: Any, path: str) -> None:
    """Write whole or not at all; numpy would add .npy to a name that lacks it."""
    import numpy as np

    partial = path + ".partial"
    try:
        with open(partial, "wb") as file:
            np.save(file, values)
        os.replace(partial, path)
    except OSError as error:
        raise ConfigError(f"--output {path} cannot be written: {error.strerror}") from None
