import math

import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.schedule import learning_rate, peak_learning_rate

SEED_RUN = {
    "train_batch_size": 256,
    "base_learning_rate": 0.2,
    "lr_scaling": "absolute",
    "train_steps": 218750,
}
TEN_STEPS_AN_EPOCH = {
    "num_train_images": 1000,
    "train_batch_size": 100,
    "base_learning_rate": 1.0,
    "lr_scaling": "absolute",
    "warmup_epochs": 2,
    "train_steps": 100,
}


def short(**flags):
    return dict(TEN_STEPS_AN_EPOCH, **flags)


RATES = {
    # flags, ranks, step, rate
    "the published log of 8 cards, step 10625": (SEED_RUN, 8, 10625, 0.1615966111421585),
    "seven decays": (SEED_RUN, 8, 11875, 0.2 * 0.97**7),
    "the published log, step 12500": (SEED_RUN, 8, 12500, 0.1567487120628357),
    "the published log, step 18750": (SEED_RUN, 8, 18750, 0.1387685388326645),
    "warm-up begins at nothing": (SEED_RUN, 8, 0, 0.0),
    "warm-up rises in a line": (short(), 1, 5, 0.25),
    "the last step of the warm-up": (short(), 1, 19, 0.95),
    "decay counts from step 0": (short(warmup_epochs=3), 1, 30, 0.97),
    "before the first decay": (short(), 1, 23, 1.0),
    "at the first decay": (short(), 1, 24, 0.97),
    "more ranks make an epoch shorter": (short(), 2, 12, 0.97),
    "no warm-up": (short(warmup_epochs=0), 1, 0, 1.0),
    "cosine at half": (short(lr_schedule="cosine"), 1, 50, 0.5),
    "cosine at a fifth": (short(lr_schedule="cosine"), 1, 20, 0.5 + 0.5 * math.cos(math.pi / 5)),
    "cosine ends at nothing": (short(lr_schedule="cosine"), 1, 100, 0.0),
    "cosine with warm-up": (short(lr_schedule="cosine"), 1, 10, 0.5),
    # Of the 80 steps after the warm-up 20 are left.
    "polynomial falls by the square": (short(lr_schedule="polynomial"), 1, 80, 0.0625),
    "polynomial begins at the peak": (short(lr_schedule="polynomial"), 1, 20, 1.0),
    "polynomial with warm-up": (short(lr_schedule="polynomial"), 1, 10, 0.5),
    "polynomial without": (short(lr_schedule="polynomial", warmup_epochs=0), 1, 50, 0.25),
    "polynomial stays at nothing": (short(lr_schedule="polynomial"), 1, 130, 0.0),
    "a warm-up longer than the run": (
        short(lr_schedule="polynomial", warmup_epochs=20),
        1,
        50,
        0.25,
    ),
    "constant": (short(lr_schedule="constant"), 1, 99, 1.0),
    "constant with warm-up": (short(lr_schedule="constant"), 1, 10, 0.5),
}


@pytest.mark.parametrize("flags, ranks, step, want", RATES.values(), ids=RATES)
def test_learning_rate(flags, ranks, step, want, make_config):
    rate = learning_rate(tf.constant(step, tf.int64), make_config(**flags), ranks)
    assert (rate.dtype, rate.shape.as_list()) == (tf.float32, [])
    with tf.Session() as session:
        assert session.run(rate) == pytest.approx(want, rel=1e-5, abs=1e-7)


PEAKS = {
    "one rank of 256": ({"train_batch_size": 256}, 1, 0.016),
    "eight ranks of 256": ({"train_batch_size": 256}, 8, 0.128),
    "absolute": ({"train_batch_size": 256, "lr_scaling": "absolute"}, 8, 0.016),
}


@pytest.mark.parametrize("flags, ranks, want", PEAKS.values(), ids=PEAKS)
def test_the_peak_grows_with_the_global_batch(flags, ranks, want, make_config):
    assert peak_learning_rate(make_config(**flags), ranks) == pytest.approx(want)
