"""Sums of an evaluation: the same however the images were cut into batches and shares."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.loss import cross_entropy
from efficientnet_trainer.totals import (
    BATCH_TOTALS,
    NO_IMAGE,
    TOP_1,
    TOP_5,
    Totals,
    add_totals,
    fill_up,
)

CLASSES = 7
IMAGES = 23


@pytest.fixture(scope="module")
def answers():
    random = np.random.RandomState(0)
    logits = random.randn(IMAGES, CLASSES).astype(np.float32)
    return logits, random.randint(0, CLASSES, IMAGES).astype(np.int32)


def sum_up(batches, classes=CLASSES):
    """Return the totals of batches of (logits, labels), and their mean losses."""
    whole, losses = Totals(), []
    with tf.Graph().as_default(), tf.Session() as session:
        logits = tf.placeholder(tf.float32, [None, classes])
        labels = tf.placeholder(tf.int32, [None])
        loss = add_totals(logits, labels, 0.1, tf.constant(0.25))
        (totals,) = tf.get_collection(BATCH_TOTALS)
        for batch in batches:
            found, mean = session.run((totals, loss), dict(zip((logits, labels), batch)))
            whole, losses = whole.plus(Totals(*(x.item() for x in found))), [*losses, mean]
    return whole, losses


def cut(answers, size):
    return [tuple(each[i : i + size] for each in answers) for i in range(0, IMAGES, size)]


@pytest.mark.parametrize("size", [1, 2, 5, 22, 23, 100])
def test_any_size_of_batch_gives_the_same_sums(size, answers):
    logits, labels = answers
    whole, _ = sum_up(cut(answers, size))
    order = np.argsort(-logits, axis=1)
    assert whole.images == IMAGES
    assert whole.top1 == (order[:, 0] == labels).sum()
    assert whole.top5 == (order[:, :5] == labels[:, None]).any(axis=1).sum()
    with tf.Session() as session:
        mean = session.run(cross_entropy(tf.constant(logits), tf.constant(labels), 0.1))
    assert whole.loss / IMAGES == pytest.approx(mean + 0.25, rel=1e-6)
    figures = whole.figures()
    assert list(figures) == ["loss", TOP_1, TOP_5]
    assert figures[TOP_1] == pytest.approx(whole.top1 / IMAGES, rel=1e-6)


def test_what_fills_a_batch_up_counts_for_nothing(answers):
    pixels = np.zeros((IMAGES, 2, 2, 3), np.float32)
    dataset = tf.data.Dataset.from_tensor_slices((pixels, answers[1])).batch(10)
    filled = fill_up(dataset, 10)
    following = tf.data.make_one_shot_iterator(filled).get_next()
    assert following[0].shape.as_list() == [10, 2, 2, 3]
    with tf.Session() as session:
        labels = np.concatenate([session.run(following)[1] for _ in range(3)])
    assert labels.tolist() == [*answers[1].tolist(), *[NO_IMAGE] * 7]
    # Whatever the network says of the empty places, even not a number.
    logits = np.concatenate([answers[0], np.full((7, CLASSES), np.nan, np.float32)])
    whole, losses = sum_up([(logits, labels)])
    assert whole == pytest.approx(sum_up([answers])[0], rel=1e-6)
    assert losses[0] == pytest.approx(whole.loss / IMAGES)


def test_one_class_is_always_right():
    whole, _ = sum_up([(np.zeros((3, 1), np.float32), np.zeros(3, np.int32))], classes=1)
    assert whole == Totals(3, pytest.approx(0.75), 3, 3)
