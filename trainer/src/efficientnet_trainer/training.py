"""One rank's run, from the newest checkpoint to its last word.

In a gang all ranks train to the last step, then rank 0 evaluates alone: TensorFlow's
workers cannot evaluate in between without leaving their collectives.  A single rank
evaluates every ``steps_per_eval`` steps.
"""

import os
import time
from typing import Dict, Iterator, Mapping, Optional

import tensorflow.compat.v1 as tf

from efficientnet_trainer import owner
from efficientnet_trainer.backend import InputFn, choose_backend, read_rank
from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.errors import DataError
from efficientnet_trainer.export import export_model
from efficientnet_trainer.hooks import EvaluationHook
from efficientnet_trainer.input import make_input_fn
from efficientnet_trainer.input_watch import watch_input
from efficientnet_trainer.model_fn import MEAN_LOSS, TOP_1, TOP_5, RunContext, make_model_fn
from efficientnet_trainer.progress import ProgressReporter
from efficientnet_trainer.resume import ResumePoint, find_resume_point
from efficientnet_trainer.saving import SaveListener
from efficientnet_trainer.settings import write_settings
from efficientnet_trainer.stop import StopFlag
from efficientnet_trainer.termination import DONE, STOPPED, Termination, reason_of


def execute(
    config: TrainerConfig, env: Mapping[str, str], reporter: ProgressReporter, flag: StopFlag
) -> Termination:
    """Do what --mode says and return the rank's last word.

    Raises:
        TrainerError: configuration, data or ownership are at fault.
        Exception: whatever TensorFlow raises; ``failures`` explains it.
    """
    rank = read_rank(env)
    tf.logging.info("rank %d of %d, model_dir %s", rank.rank, rank.size, config.model_dir)
    start = find_resume_point(config.model_dir)
    run = RunContext(
        config=config,
        rank=rank,
        backend=choose_backend(config, rank, env),
        reporter=reporter,
        flag=flag,
        restores=start is None,
    )
    session = Run(run, env)
    if config.mode == "eval":
        return session.evaluate_only()
    return session.train(start)


class Run:
    """The stages of one rank's run."""

    def __init__(self, run: RunContext, env: Mapping[str, str]) -> None:
        """Take what all stages share."""
        self._run = run
        self._config = run.config
        self._env = env
        self._evaluates = run.config.mode != "train" and run.rank.is_chief
        # Now, not after hours of training: bad validation data are as bad then.
        self._evaluation_input = self._make_evaluation_input() if self._evaluates else None

    def train(self, start: Optional[ResumePoint]) -> Termination:
        """Train to the last step, evaluating as the mode and the gang allow."""
        rank = self._run.rank
        results: Dict[str, float] = {}
        step = start.step if start else 0
        if start is not None:
            epoch = step / self._config.steps_per_epoch(rank.size)
            self._run.reporter.record(step=step, epoch=epoch, checkpoint_step=step)
        if step < self._config.train_steps and not self._train_from(step):
            return self._stopped()
        if self._evaluates:
            results = self._evaluate_newest()
            if self._run.flag.requested and not results:
                return self._stopped()
        return self._completed(results)

    def evaluate_only(self) -> Termination:
        """Evaluate the newest checkpoint; with --eval_timeout those that follow it, too."""
        if not self._evaluates:
            return self._completed({})
        results: Dict[str, float] = {}
        for _ in self._new_checkpoints():
            results = self._evaluate_newest()
        if self._run.flag.requested:
            return self._stopped()
        if not results:
            raise DataError(
                f"--model_dir {self._config.model_dir} has no checkpoint to evaluate; train "
                f"first, or wait for one with --eval_timeout"
            )
        return self._completed(results)

    def _train_from(self, step: int) -> bool:
        """Train from ``step`` to the last, and tell whether it was reached.

        The chief owns the directory meanwhile, also through the evaluations in between: a
        job that took over during one would leave this run to train in vain.
        """
        rank = self._run.rank
        own = owner.claim if rank.is_chief else owner.watch
        ownership = own(self._config.model_dir, self._env)
        try:
            if rank.is_chief:
                flags = self._config.model_dump(mode="json")
                write_settings(self._config.model_dir, flags, rank.size)
            listener = SaveListener(self._run.reporter, self._run.flag, ownership)
            input_fn = watch_input(
                make_input_fn(self._config, True, rank.size, rank.rank, self._report_skipped),
                self._config.checkpoint_steps(rank.size) if rank.is_chief else 0,
            )
            for target in self._targets(step):
                self._run.backend.train(make_model_fn(self._run), input_fn, target, listener)
                if self._run.flag.requested:
                    return False
                if self._evaluates and target < self._config.train_steps:
                    self._evaluate_newest()
            return True
        finally:
            if ownership is not None and rank.is_chief:
                ownership.release()

    def _targets(self, step: int) -> Iterator[int]:
        """Yield the steps to train up to: each evaluation's, or only the last."""
        every = self._config.steps_per_eval
        if self._run.rank.size == 1 and self._evaluates:
            step = (step // every + 1) * every
            while step < self._config.train_steps:
                yield step
                step += every
        yield self._config.train_steps

    def _new_checkpoints(self) -> Iterator[str]:
        """Yield each new checkpoint until the last step's, a stop, or the timeout."""
        patience_s = self._config.eval_timeout or 0
        seen, deadline = "", time.monotonic() + patience_s
        while True:
            newest = tf.train.latest_checkpoint(self._config.model_dir)
            if newest and newest != seen:
                seen = newest
                yield newest
                deadline = time.monotonic() + patience_s
                if newest.endswith(f"-{self._config.train_steps}"):
                    return
            if self._run.flag.requested or time.monotonic() >= deadline:
                return
            time.sleep(1.0)

    def _evaluate_newest(self) -> Dict[str, float]:
        """Evaluate the newest checkpoint; empty where a stop cut the evaluation short."""
        newest = find_resume_point(self._config.model_dir)
        if newest is None:
            raise DataError(f"--model_dir {self._config.model_dir} has no checkpoint to evaluate")
        started = time.time()
        hook = EvaluationHook(self._run.reporter, self._run.flag)
        input_fn = self._evaluation_input or self._make_evaluation_input()
        found = self._run.backend.evaluate(make_model_fn(self._run), input_fn, newest.path, [hook])
        if self._run.flag.requested:
            return {}
        results = {
            "loss": float(found[MEAN_LOSS]),
            TOP_1: float(found[TOP_1]),
            TOP_5: float(found[TOP_5]),
            "global_step": int(found["global_step"]),
        }
        tf.logging.info(
            "Eval results: %s. Elapsed seconds: %d", results, int(time.time() - started)
        )
        self._run.reporter.record(
            top1=results[TOP_1],
            top5=results[TOP_5],
            evaluation_loss=results["loss"],
            step=results["global_step"],
        )
        return results

    def _report_skipped(self, records: int) -> None:
        self._run.reporter.record(records_skipped=records)

    def _make_evaluation_input(self) -> InputFn:
        return make_input_fn(self._config, is_training=False, num_shards=1, shard_index=0)

    def _stopped(self) -> Termination:
        state = self._run.reporter.state
        step = state.step or 0
        # Also where the save fell due at the very step of the stop, before the stop was seen.
        saved = state.checkpoint_step == state.step
        how = "after saving a checkpoint" if saved else "between checkpoints"
        return Termination(
            rank=self._run.rank.rank,
            step=step,
            exit_code=STOPPED,
            reason=reason_of(STOPPED),
            message=f"stopped by SIGTERM at step {step} {how}",
        )

    def _completed(self, results: Dict[str, float]) -> Termination:
        newest = tf.train.latest_checkpoint(self._config.model_dir)
        if self._config.export_dir and self._run.rank.is_chief and newest:
            self._run.reporter.enter("exporting")
            tf.logging.info("Exported to %s", export_model(self._run, newest))
        self._run.reporter.enter("done")
        return Termination(
            rank=self._run.rank.rank,
            step=int(results.get("global_step", self._run.reporter.state.step or 0)),
            exit_code=DONE,
            reason=reason_of(DONE),
            loss=results.get("loss"),
            top1=results.get(TOP_1),
            top5=results.get(TOP_5),
            checkpoint=os.path.join(self._config.model_dir, os.path.basename(newest))
            if newest and self._run.rank.is_chief
            else None,
        )
