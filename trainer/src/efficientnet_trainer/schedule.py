"""The learning rate at a step, as a graph on the global step.

The rate depends on how many ranks share a step, and on nothing else that differs
between runs, so a resumed run goes on exactly where it stopped.
"""

import math

import tensorflow.compat.v1 as tf

from efficientnet_trainer.config import TrainerConfig

DECAY_FACTOR = 0.97
DECAY_EPOCHS = 2.4
IMAGES_PER_BASE_RATE = 256
POLYNOMIAL_DEGREE = 2.0


def peak_learning_rate(config: TrainerConfig, num_ranks: int) -> float:
    """Return the rate that the warm-up leads to.

    Source: Goyal et al. 2017, the rate grows with the global batch.
    """
    if config.lr_scaling == "absolute":
        return config.base_learning_rate
    global_batch = config.train_batch_size * num_ranks
    return config.base_learning_rate * global_batch / IMAGES_PER_BASE_RATE


def learning_rate(step: tf.Tensor, config: TrainerConfig, num_ranks: int) -> tf.Tensor:
    """Return the rate of the update that follows ``step`` updates.

    The warm-up rises in a line from 0.  Exponential and cosine count from step 0, so the
    rate after the warm-up is already a little below the peak; the polynomial, which is that
    of LARS, falls from the peak at the end of the warm-up to 0 at the last step.

    Args:
        step: int64 tensor [], updates applied so far, from 0.
        config: peak, schedule, warm-up and the size of an epoch.
        num_ranks: ranks that share an update.

    Returns:
        float32 tensor [], rate per update.

    Source: Tan and Le 2019, section 5: 5 warm-up epochs, x0.97 every 2.4 epochs; You et
    al. 2017, section 6: polynomial of degree 2.
    """
    peak = peak_learning_rate(config, num_ranks)
    steps_per_epoch = config.steps_per_epoch(num_ranks)
    # float32 counts steps exactly up to 16.7 million, and NPUs have no float64.
    step = tf.cast(step, tf.float32)
    warmup_steps = int(config.warmup_epochs * steps_per_epoch)
    rate = _decayed(step, peak, config, steps_per_epoch, warmup_steps)
    if not warmup_steps:
        return rate
    return tf.where_v2(step < warmup_steps, peak * step / warmup_steps, rate)


def _decayed(
    step: tf.Tensor,
    peak: float,
    config: TrainerConfig,
    steps_per_epoch: float,
    warmup_steps: int,
) -> tf.Tensor:
    if config.lr_schedule == "exponential":
        decays = tf.floor(step / (DECAY_EPOCHS * steps_per_epoch))
        return peak * tf.pow(DECAY_FACTOR, decays)
    done = tf.minimum(step / config.train_steps, 1.0)
    if config.lr_schedule == "cosine":
        return peak * 0.5 * (1.0 + tf.cos(math.pi * done))
    if config.lr_schedule == "polynomial":
        after_warmup = max(1, config.train_steps - warmup_steps)
        left = (config.train_steps - step) / after_warmup
        return peak * tf.pow(tf.clip_by_value(left, 0.0, 1.0), POLYNOMIAL_DEGREE)
    return tf.fill([], peak)
