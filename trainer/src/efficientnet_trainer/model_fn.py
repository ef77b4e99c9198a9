"""Tie network, loss, optimizer, restoring and hooks into the estimator's model_fn.

Training and evaluation build the same variables; evaluation reads their moving averages.
The backend says what differs between NPUs and CPUs.
"""

import os
from typing import Any, Callable, List, NamedTuple, Optional

import tensorflow.compat.v1 as tf

from efficientnet_trainer import hooks, mixup, restore, saving
from efficientnet_trainer.accumulation import AccumulatingOptimizer
from efficientnet_trainer.backend import Rank, TensorFlowBackend
from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.confusion import note_answers
from efficientnet_trainer.loss import cross_entropy, weight_decay
from efficientnet_trainer.model import build_logits, normalize
from efficientnet_trainer.optimizer import (
    averaged_variables,
    build_optimizer,
    build_train_op,
    moving_average,
)
from efficientnet_trainer.progress import ProgressReporter
from efficientnet_trainer.schedule import learning_rate
from efficientnet_trainer.stop import StopFlag
from efficientnet_trainer.totals import add_totals


class RunContext(NamedTuple):
    """What the graph's hooks work with."""

    config: TrainerConfig
    rank: Rank
    backend: TensorFlowBackend
    """Or npu_bridge's, which has the same methods."""
    reporter: ProgressReporter
    flag: StopFlag
    restores: bool
    """Whether this run starts from --restore_path: it is set and no checkpoint is there."""


def make_model_fn(run: RunContext) -> Callable[..., Any]:
    """Return the model_fn of one run."""

    def model_fn(features: tf.Tensor, labels: tf.Tensor, mode: str) -> Any:
        is_training = mode == tf.estimator.ModeKeys.TRAIN
        architecture = run.config.architecture
        if is_training and run.config.mixup_alpha:
            features, labels = mixup.mix(features, labels, run.config.num_label_classes)
        with run.backend.network_context():
            logits = build_logits(
                normalize(features, architecture),
                architecture,
                is_training,
                run.config.num_label_classes,
                run.config.data_format,
                run.config.freeze,
            )
        decay = weight_decay(tf.trainable_variables(), run.config.weight_decay_in_loss)
        if is_training:
            loss = cross_entropy(logits, labels, run.config.label_smoothing) + decay
            return _build_training(run, loss)
        if run.rank.is_chief:
            note_answers(logits, labels, os.path.join(run.config.model_dir, "eval"))
        return run.backend.build_spec(
            mode,
            loss=add_totals(logits, labels, run.config.label_smoothing, decay),
            scaffold=tf.train.Scaffold(saver=_evaluation_saver(run.config)),
        )

    return model_fn


def _build_training(run: RunContext, loss: tf.Tensor) -> Any:
    config = run.config
    step = tf.train.get_or_create_global_step()
    rate = learning_rate(step, config, run.rank.size)
    optimizer, mean_loss = build_optimizer(config, rate), loss
    accumulating: List[Any] = []
    if config.gradient_accumulation_steps > 1:
        optimizer = AccumulatingOptimizer(optimizer, config.gradient_accumulation_steps)
        mean_loss = optimizer.mean(loss)
    train_op = build_train_op(run.backend.wrap_optimizer(optimizer), loss, config, step)
    if isinstance(optimizer, AccumulatingOptimizer):
        train_op = optimizer.clear_after(train_op)
        accumulating = [optimizer.hook()]
    if config.restore_path and run.restores:
        source = restore.Source(
            config.restore_path, config.restore_exclude, config.restore_weights
        )
        restored = restore.restore_weights(source)
        if run.rank.is_chief:
            restore.leave_report(restored, config.model_dir)
    shared_loss, stop = run.backend.share(mean_loss, run.flag)
    with tf.control_dependencies([train_op]):
        step_done = tf.identity(step.read_value(), name="step_done")
    tf.add_to_collection(saving.STEP_DONE, step_done)
    report = hooks.ReportHook(
        config,
        run.rank.size,
        {"step": step_done, "loss": shared_loss, "rate": rate},
        run.reporter,
        config.model_dir if run.rank.is_chief else None,
    )
    return run.backend.build_spec(
        tf.estimator.ModeKeys.TRAIN,
        loss=mean_loss,
        train_op=train_op,
        training_hooks=[stop, report, *accumulating],
        scaffold=_training_scaffold(config),
    )


def _training_scaffold(config: TrainerConfig) -> tf.train.Scaffold:
    """Leave out what the default scaffold adds for clusters of another kind.

    Its last check whether each of a thousand variables is initialised serves workers that
    wait for a chief, and its saver would read every variable once more to group it by
    device; together they take longer to build than the network.
    """
    tf.add_to_collection(
        tf.GraphKeys.SAVERS,
        tf.train.Saver(
            max_to_keep=config.keep_checkpoint_max, defer_build=True, save_relative_paths=True
        ),
    )
    return tf.train.Scaffold(ready_op=tf.constant([], tf.string))


def _evaluation_saver(config: TrainerConfig) -> Optional[tf.train.Saver]:
    """Return a saver that reads each variable's moving average in its place."""
    if not config.moving_average_decay:
        return None
    average = moving_average(config.moving_average_decay)
    return tf.train.Saver(average.variables_to_restore(averaged_variables()))
