"""Draw at each evaluation which classes are taken for which.

The graph leaves a batch's labels and answers in a collection, a hook counts them on the
host.  Where several ranks evaluate, the picture is of rank 0's share of the images.
"""

from typing import Any, NamedTuple, Optional

import numpy as np
import tensorflow.compat.v1 as tf

from efficientnet_trainer import pictures

ANSWERS = ("answers",)
"""Collection of the graph's one ``Answers``; a key that is no string is never exported."""


class Answers(NamedTuple):
    """What to draw of the batches of one graph."""

    labels: tf.Tensor
    """int32 [n]; a label below 0 counts for nothing."""
    predicted: tf.Tensor
    """int32 [n]."""
    num_classes: int
    folder: str
    """Where TensorBoard finds the picture."""


def note_answers(logits: tf.Tensor, labels: tf.Tensor, folder: str) -> None:
    """Leave a batch's answers for ``ConfusionHook``, where there are few enough classes."""
    num_classes = int(logits.shape[-1])
    if num_classes <= pictures.MAX_CLASSES:
        predicted = tf.argmax(logits, axis=1, output_type=tf.int32)
        tf.add_to_collection(ANSWERS, Answers(labels, predicted, num_classes, folder))


class ConfusionHook(tf.train.SessionRunHook):
    """Counts the answers of an evaluation, and draws them at its end."""

    def __init__(self) -> None:
        """Start without counts."""
        self._answers: Optional[Answers] = None
        self._counts = np.zeros((0, 0), np.int64)

    def begin(self) -> None:
        """Find the answers in the graph, if it has any."""
        for answers in tf.get_collection(ANSWERS):
            self._answers = answers
            self._counts = np.zeros((answers.num_classes, answers.num_classes), np.int64)

    def before_run(self, _run_context: Any) -> Any:
        """Fetch the answers with the batch."""
        if self._answers is None:
            return None
        return tf.train.SessionRunArgs([self._answers.labels, self._answers.predicted])

    def after_run(self, _run_context: Any, run_values: Any) -> None:
        """Count them."""
        if self._answers is not None:
            labels, predicted = run_values.results
            self._counts += pictures.count_confusion(labels, predicted, len(self._counts))

    def end(self, session: Any) -> None:
        """Draw, beside the evaluation's figures."""
        if self._answers is None:
            return
        step = int(session.run(tf.train.get_global_step()))
        drawn = pictures.draw_confusion(self._counts)
        writer = tf.summary.FileWriterCache.get(self._answers.folder)
        writer.add_summary(pictures.image_summary("confusion_matrix", drawn), step)
        writer.flush()
