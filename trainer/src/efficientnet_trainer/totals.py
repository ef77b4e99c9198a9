"""Count what an evaluation finds, so that the ranks' shares add up.

Means of shares of different sizes cannot be combined, sums can.  A batch's sums leave the
graph with each batch and are added up on the host in double precision, which NPUs lack.
"""

from typing import Any, Dict, NamedTuple, Tuple

import tensorflow.compat.v1 as tf

from efficientnet_trainer.loss import cross_entropies

TOP_1 = "top_1_accuracy"
TOP_5 = "top_5_accuracy"
NO_IMAGE = -1
"""Label of what only fills a batch up."""
BATCH_TOTALS = "batch_totals"
"""Collection of the tensors of one batch's ``Totals``."""


class Totals(NamedTuple):
    """Sums over images; those of disjoint shares can be added."""

    images: int = 0
    loss: float = 0.0
    top1: int = 0
    """Images whose class has the highest logit."""
    top5: int = 0
    """Images whose class is among the five highest."""

    def plus(self, other: "Totals") -> "Totals":
        """Return the sums over both."""
        return Totals(
            self.images + other.images,
            self.loss + other.loss,
            self.top1 + other.top1,
            self.top5 + other.top5,
        )

    def figures(self) -> Dict[str, float]:
        """Return the means over images, in seven digits as float32 has them.

        Raises:
            ZeroDivisionError: there are no images.
        """
        means = {
            "loss": self.loss / self.images,
            TOP_1: self.top1 / self.images,
            TOP_5: self.top5 / self.images,
        }
        return {name: float(f"{mean:.7g}") for name, mean in means.items()}


def add_totals(
    logits: tf.Tensor, labels: tf.Tensor, label_smoothing: float, decay: tf.Tensor
) -> tf.Tensor:
    """Put a batch's sums into the collection BATCH_TOTALS.

    Args:
        logits: float32 [n, classes].
        labels: int32 [n]; where NO_IMAGE stands, the row counts for nothing.
        label_smoothing: as in training.
        decay: float32 tensor [], added to each image's loss.

    Returns:
        float32 tensor [], the mean loss over the batch's images.
    """
    counts = tf.not_equal(labels, NO_IMAGE)
    losses = cross_entropies(logits, labels, label_smoothing) + decay
    loss = tf.reduce_sum(tf.where_v2(counts, losses, tf.zeros_like(losses)))
    # Not in_top_k for the first: a network that answers alike to all would count as right.
    top1 = tf.equal(tf.argmax(logits, axis=1, output_type=tf.int32), labels)
    top5 = tf.nn.in_top_k(logits, labels, min(5, int(logits.shape[-1])))
    images = _count(counts)
    totals = Totals(images, loss, _count(top1), _count(tf.logical_and(counts, top5)))
    tf.add_to_collection(BATCH_TOTALS, totals)
    return loss / tf.maximum(tf.cast(images, tf.float32), 1.0)


class TotalsHook(tf.train.SessionRunHook):
    """Adds up the batches of an evaluation."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.totals = Totals()

    def begin(self) -> None:
        """Find the batch's sums in the graph."""
        (self._batch,) = tf.get_collection(BATCH_TOTALS)

    def before_run(self, _run_context: Any) -> Any:
        """Fetch them with the batch."""
        return tf.train.SessionRunArgs(self._batch)

    def after_run(self, _run_context: Any, run_values: Any) -> None:
        """Add them."""
        images, loss, top1, top5 = run_values.results
        batch = Totals(int(images), float(loss), int(top1), int(top5))
        self.totals = self.totals.plus(batch)


def fill_up(dataset: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
    """Fill the last batch up with what counts for nothing, so that all have one shape.

    Args:
        dataset: of images, float32 [n, size, size, 3], and labels, int32 [n].
        batch_size: n of every batch that comes out.
    """

    @tf.autograph.experimental.do_not_convert
    def fill(images: tf.Tensor, labels: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor]:
        lacking = batch_size - tf.shape(labels)[0]
        filled = tf.pad(images, [[0, lacking], [0, 0], [0, 0], [0, 0]])
        filled.set_shape([batch_size, *images.shape[1:]])
        marked = tf.pad(labels, [[0, lacking]], constant_values=NO_IMAGE)
        marked.set_shape([batch_size])
        return filled, marked

    return dataset.map(fill)


def _count(found: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(found, tf.int32))
