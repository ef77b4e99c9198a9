"""A trained network that answers: the graph that ``predict`` runs and ``export`` writes.

Always channels last, whatever the run trained with: the weights are the same, and CPUs have
no convolution for the other layout.  The weights are those that evaluation measures, the
moving averages unless the run keeps none.
"""

from typing import Any, List, NamedTuple, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from efficientnet_trainer.backend import Rank, session_config
from efficientnet_trainer.checkpoint import Checkpoint
from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.model import build_logits, normalize
from efficientnet_trainer.preprocess import preprocess_image

ENCODED_IMAGES = "encoded_images"
INPUT = "input"
"""Name of the pixels' placeholder, float32 [n, size, size, 3], about 0 .. 255."""
LOGITS = "logits"
PROBABILITIES = "probabilities"
CLASSES = "classes"
"""From 0; the records' labels are these plus the label offset."""
BATCH_SIZE = 32
"""Images at a time; bounds the memory of the large members."""


class Answer(NamedTuple):
    """What a network says of images."""

    logits: Any
    """float32 [n, classes]."""
    probabilities: Any
    """float32 [n, classes]."""


def decode_image(config: TrainerConfig, encoded: tf.Tensor) -> tf.Tensor:
    """Return the pixels of a JPEG or PNG as evaluation sees them."""
    return preprocess_image(
        encoded, config.image_size, is_training=False, crop_and_flip=config.crop_and_flip
    )


def build_answer(config: TrainerConfig, pixels: tf.Tensor) -> None:
    """Build the network on pixels; its outputs are named LOGITS, PROBABILITIES and CLASSES."""
    architecture = config.architecture
    logits = build_logits(
        normalize(pixels, architecture), architecture, False, config.num_label_classes
    )
    tf.identity(logits, name=LOGITS)
    tf.nn.softmax(logits, name=PROBABILITIES)
    tf.argmax(logits, axis=1, name=CLASSES)


class Network:
    """One checkpoint in a graph and a session of its own; a context manager.

    ``graph`` has the tensors ENCODED_IMAGES (strings [n]), INPUT, which takes what was
    decoded from them unless it is fed, and the outputs.
    """

    def __init__(self, config: TrainerConfig, path: str) -> None:
        """Build the network and load a checkpoint.

        Raises:
            DataError: the checkpoint is missing, damaged, or of another model.
        """
        self._config = config
        self.checkpoint = Checkpoint(path)
        self.graph = tf.Graph()
        with self.graph.as_default():
            encoded = tf.placeholder(tf.string, [None], name=ENCODED_IMAGES)
            decoded = tf.map_fn(lambda one: decode_image(config, one), encoded, dtype=tf.float32)
            shape = [None, config.image_size, config.image_size, 3]
            build_answer(config, tf.placeholder_with_default(decoded, shape, name=INPUT))
            # One process has all the pod's cores: export and prediction come when training ended.
            self.session = tf.Session(config=session_config(Rank(0, 1, 1)))
            use_average = bool(config.moving_average_decay)
            self.checkpoint.restore(self.session, tf.global_variables(), use_average)

    def __enter__(self) -> "Network":
        """Return itself."""
        return self

    def __exit__(self, *_: Any) -> None:
        """Free the weights."""
        self.session.close()

    def decode(self, encoded: Sequence[bytes]) -> Any:
        """Return the pixels of images, float32 [n, size, size, 3].

        Raises:
            tf.errors.InvalidArgumentError: one is no JPEG or PNG.
        """
        return self.session.run(INPUT + ":0", {ENCODED_IMAGES + ":0": list(encoded)})

    def answer(self, pixels: Any) -> Answer:
        """Run the network on pixels, float32 [n, size, size, 3]."""
        return run_batches(self.session, pixels)


def run_batches(session: tf.Session, pixels: Any, batch_size: int = BATCH_SIZE) -> Answer:
    """Run a session's network on pixels, some images at a time."""
    outputs = Answer(LOGITS + ":0", PROBABILITIES + ":0")
    parts: List[Answer] = [
        session.run(outputs, {INPUT + ":0": pixels[start : start + batch_size]})
        for start in range(0, len(pixels), batch_size)
    ]
    return Answer(*(np.concatenate(each) for each in zip(*parts)))
