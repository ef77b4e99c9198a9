"""Evaluate checkpoints: each image once, by all ranks at once, and tell what came out.

Rank 0 leads: it chooses the checkpoint, adds up what the ranks found, writes the log lines
of the original trainer, TensorBoard's figures and the archive of the best.  The others
assist until they are told that there is nothing more.
"""

import contextlib
import os
import time
from typing import Dict, Iterator, Mapping, Optional

import tensorflow.compat.v1 as tf

from efficientnet_trainer.best import BestCheckpoint, Evaluated
from efficientnet_trainer.gathering import Gathering, Member, attempt_of
from efficientnet_trainer.hooks import EvaluationHook
from efficientnet_trainer.input import make_input_fn
from efficientnet_trainer.model_fn import RunContext, make_model_fn
from efficientnet_trainer.resume import ResumePoint
from efficientnet_trainer.totals import TOP_1, TOP_5, Totals, TotalsHook

SUMMARY_FOLDER = "eval"


class Evaluator:
    """One rank's evaluations, of its share of the images."""

    def __init__(self, run: RunContext, env: Mapping[str, str]) -> None:
        """Check this rank's share of the validation data.

        Raises:
            DataError: the data are missing or broken.
        """
        self._run = run
        self._config = run.config
        rank, size = run.rank.rank, run.rank.size
        # With more ranks than images rank 0 takes them all.
        shares = size if self._config.num_eval_images >= size else 1
        self._input_fn = (
            make_input_fn(self._config, False, shares, rank) if rank < shares else None
        )
        self._gathering = Gathering(
            self._config.model_dir,
            Member(rank, size, attempt_of(env)),
            lambda: run.flag.requested,
        )
        self._best = BestCheckpoint(self._config.model_dir)

    def evaluate(self, point: ResumePoint, shown: Optional[str] = None) -> Dict[str, float]:
        """Evaluate one checkpoint together with the other ranks; rank 0 alone does.

        Args:
            point: what to evaluate.
            shown: its prefix as people know it, where ``point`` is a link.

        Returns:
            Loss, accuracies and global step; empty where a stop cut the evaluation short.

        Raises:
            RankMissingError: a rank left no share in time.
        """
        started = time.time()
        totals = self._measure_with_others(point)
        if self._run.flag.requested:
            return {}
        if totals.images != self._config.num_eval_images:
            tf.logging.warning(
                "evaluated %d images, but --num_eval_images is %d",
                totals.images,
                self._config.num_eval_images,
            )
        figures = totals.figures()
        self._archive(point, totals.images, figures)
        self._publish(point.step, shown or point.path, figures, time.time() - started)
        return dict(figures, global_step=point.step)

    def assist(self, patience_s: float = 0.0) -> None:
        """Evaluate what rank 0 announces, until it announces no more or a stop is asked for.

        Args:
            patience_s: how much longer than usual rank 0 may take between two checkpoints.
        """
        self._run.reporter.enter("evaluating")
        while not self._run.flag.requested:
            announcement = self._gathering.await_announcement(patience_s)
            if announcement is None:
                return
            totals = self._measure(announcement.path)
            if not self._run.flag.requested:
                self._gathering.leave_share(announcement, totals)

    def dismiss(self) -> None:
        """Let the other ranks go."""
        if self._run.rank.size > 1:
            self._gathering.dismiss()

    def _archive(self, point: ResumePoint, images: int, figures: Dict[str, float]) -> None:
        evaluated = Evaluated(
            checkpoint=os.path.basename(point.path),
            global_step=point.step,
            images=images,
            **figures,
        )
        try:
            if self._best.offer(point.path, evaluated):
                tf.logging.info("Best so far: step %d, kept in %s", point.step, self._best.folder)
        except OSError as error:  # a full disk, mostly; training need not end for it
            tf.logging.warning("the best checkpoint cannot be kept: %s", error)

    def _measure_with_others(self, point: ResumePoint) -> Totals:
        if self._run.rank.size == 1:
            return self._measure(point.path)
        announcement = self._gathering.announce(point.path, point.step)
        totals = self._measure(point.path)
        for other in self._gathering.collect_shares(announcement):
            totals = totals.plus(other)
        return totals

    def _measure(self, path: str) -> Totals:
        if self._input_fn is None:
            return Totals()
        counter = TotalsHook()
        hooks = [counter, EvaluationHook(self._run.reporter, self._run.flag)]
        tf.logging.info("Evaluating %s", path)
        with _quiet():
            self._run.backend.evaluate(make_model_fn(self._run), self._input_fn, path, hooks)
        return counter.totals

    def _publish(self, step: int, path: str, figures: Dict[str, float], seconds: float) -> None:
        """Write the original trainer's lines, figures for TensorBoard and for the launcher."""
        results = dict(figures, global_step=step)
        listed = ", ".join(f"{name} = {results[name]}" for name in sorted(results))
        tf.logging.info("Finished evaluation at %s", time.strftime("%Y-%m-%d-%H:%M:%S"))
        tf.logging.info("Saving dict for global step %d: %s", step, listed)
        tf.logging.info("Saving 'checkpoint_path' summary for global step %d: %s", step, path)
        tf.logging.info("Eval results: %s. Elapsed seconds: %d", results, int(seconds))
        folder = os.path.join(self._config.model_dir, SUMMARY_FOLDER)
        writer = tf.summary.FileWriterCache.get(folder)
        values = [tf.Summary.Value(tag=tag, simple_value=v) for tag, v in figures.items()]
        writer.add_summary(tf.Summary(value=values), step)
        writer.flush()
        self._run.reporter.record(
            top1=figures[TOP_1],
            top5=figures[TOP_5],
            evaluation_loss=figures["loss"],
            step=step,
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the estimator from telling of one rank's share as if it were the result."""
    before = tf.logging.get_verbosity()
    tf.logging.set_verbosity(tf.logging.WARN)
    try:
        yield
    finally:
        tf.logging.set_verbosity(before)
