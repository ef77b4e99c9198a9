"""One rank's run, from the newest checkpoint to its last word.

A single rank evaluates every ``steps_per_eval`` steps.  In a gang all ranks train to the
last step, then all evaluate: TensorFlow's workers cannot evaluate in between without
leaving their collectives.
"""

import os
from typing import Dict, Iterator, Mapping, Optional

import tensorflow.compat.v1 as tf

from efficientnet_trainer import owner
from efficientnet_trainer.backend import choose_backend, read_rank
from efficientnet_trainer.checkpoint import Checkpoint
from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.errors import DataError
from efficientnet_trainer.evaluation import Evaluator
from efficientnet_trainer.export import export_model
from efficientnet_trainer.gathering import FOLDER
from efficientnet_trainer.input import make_input_fn
from efficientnet_trainer.input_watch import watch_input
from efficientnet_trainer.model_fn import RunContext, make_model_fn
from efficientnet_trainer.predict import predict_files
from efficientnet_trainer.progress import ProgressReporter
from efficientnet_trainer.resume import ResumePoint, find_resume_point, read_resume_point
from efficientnet_trainer.saving import SaveListener
from efficientnet_trainer.settings import tell_differences, write_settings
from efficientnet_trainer.stop import StopFlag
from efficientnet_trainer.termination import DONE, STOPPED, Termination, failure, reason_of
from efficientnet_trainer.totals import TOP_1, TOP_5
from efficientnet_trainer.watching import held, new_checkpoints


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
    start = find_resume_point(config.model_dir) if config.trains else None
    run = RunContext(
        config=config,
        rank=rank,
        backend=choose_backend(config, rank, env),
        reporter=reporter,
        flag=flag,
        restores=start is None,
    )
    session = Run(run, env)
    if not config.trains and rank.is_chief:
        weights = config.checkpoint_path or config.model_dir
        for line in tell_differences(config, weights):
            tf.logging.warning("%s", line)
    if config.mode == "eval":
        return session.evaluate_only()
    if config.mode == "export":
        return session.export_only()
    if config.mode == "predict":
        return session.predict()
    return session.train(start)


class Run:
    """The stages of one rank's run."""

    def __init__(self, run: RunContext, env: Mapping[str, str]) -> None:
        """Take what all stages share."""
        self._run = run
        self._config = run.config
        self._env = env
        # Now, not after hours of training: bad validation data are as bad then.
        self._evaluator = Evaluator(run, env) if run.config.mode == "train_and_eval" else None

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
        self._run.flag.note_joined()
        if self._evaluator is not None:
            results = self._evaluate_together(self._evaluator)
            if self._run.flag.requested and not results:
                return self._stopped()
        return self._completed(results)

    def evaluate_only(self) -> Termination:
        """Evaluate one checkpoint, or with --eval_timeout each as it appears."""
        evaluator = Evaluator(self._run, self._env)
        if not self._run.rank.is_chief:
            evaluator.assist(self._config.eval_timeout or 0)
            return self._stopped() if self._run.flag.requested else self._completed({})
        results: Dict[str, float] = {}
        try:
            for path in self._checkpoints_to_evaluate():
                results = self._evaluate_held(evaluator, path) or results
        finally:
            evaluator.dismiss()
        if self._run.flag.requested:
            return self._stopped()
        if not results:
            raise self._no_checkpoint()
        return self._completed(results)

    def export_only(self) -> Termination:
        """Export one checkpoint; rank 0 alone."""
        return self._completed({})

    def predict(self) -> Termination:
        """Print the likeliest classes of image files; rank 0 alone."""
        if self._run.rank.is_chief:
            predict_files(self._config, self._find_checkpoint())
        return self._completed({})

    def _train_from(self, step: int) -> bool:
        """Train from ``step`` to the last, and tell whether it was reached.

        The chief owns the directory meanwhile, also through the evaluations in between: a
        job that took over during one would leave this run to train in vain.
        """
        rank = self._run.rank
        own = owner.claim if rank.is_chief else owner.watch
        ownership = own(self._config.model_dir, self._env)
        if ownership is not None and rank.is_chief:
            self._run.flag.releases.append(ownership.release)
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
                if self._evaluator is not None and target < self._config.train_steps:
                    self._evaluator.evaluate(self._newest())
            return True
        finally:
            if ownership is not None and rank.is_chief:
                ownership.release()

    def _targets(self, step: int) -> Iterator[int]:
        """Yield the steps to train up to: each evaluation's, or only the last."""
        every = self._config.steps_per_eval
        if self._run.rank.size == 1 and self._evaluator is not None:
            step = (step // every + 1) * every
            while step < self._config.train_steps:
                yield step
                step += every
        yield self._config.train_steps

    def _evaluate_together(self, evaluator: Evaluator) -> Dict[str, float]:
        """Evaluate the last step with the whole gang; empty on ranks above 0 and after a stop."""
        if not self._run.rank.is_chief:
            evaluator.assist()
            return {}
        try:
            return evaluator.evaluate(self._newest())
        finally:
            evaluator.dismiss()

    def _evaluate_held(self, evaluator: Evaluator, path: str) -> Dict[str, float]:
        """Evaluate a checkpoint that its run may delete meanwhile; empty where it has."""
        folder = os.path.join(self._config.model_dir, FOLDER)
        with held(path, folder) as prefix:
            if prefix is None:
                tf.logging.info("%s is gone: deleted in its turn before it was evaluated", path)
                return {}
            return evaluator.evaluate(read_resume_point(prefix), path)

    def _checkpoints_to_evaluate(self) -> Iterator[str]:
        if self._config.checkpoint_path or not self._config.eval_timeout:
            return iter([self._find_checkpoint()])
        return new_checkpoints(
            self._config.model_dir,
            self._config.eval_timeout,
            self._config.train_steps,
            lambda: self._run.flag.requested,
        )

    def _find_checkpoint(self) -> str:
        """Return the prefix of --checkpoint_path, or of the newest in --model_dir."""
        if self._config.checkpoint_path:
            return Checkpoint(self._config.checkpoint_path).prefix
        newest = tf.train.latest_checkpoint(self._config.model_dir)
        if newest is None:
            raise self._no_checkpoint()
        return str(newest)

    def _newest(self) -> ResumePoint:
        newest = find_resume_point(self._config.model_dir)
        if newest is None:
            raise self._no_checkpoint()
        return newest

    def _report_skipped(self, records: int) -> None:
        self._run.reporter.record(records_skipped=records)

    def _no_checkpoint(self) -> DataError:
        return DataError(
            f"--model_dir {self._config.model_dir} has no checkpoint; train first, name another "
            f"with --checkpoint_path, or wait for one with --mode=eval and --eval_timeout"
        )

    def _stopped(self) -> Termination:
        state = self._run.reporter.state
        step = state.step or 0
        # Also where the save fell due at the very step of the stop, before the stop was seen.
        saved = state.checkpoint_step == state.step
        how = "after saving a checkpoint" if saved else "between checkpoints"
        return failure(
            STOPPED, f"stopped by SIGTERM at step {step} {how}", self._run.rank.rank, step
        )

    def _completed(self, results: Dict[str, float]) -> Termination:
        chief, checkpoint = self._run.rank.is_chief, None
        if chief and self._config.mode != "predict":
            checkpoint = self._export()
        self._run.reporter.enter("done")
        return Termination(
            rank=self._run.rank.rank,
            step=int(results.get("global_step", self._run.reporter.state.step or 0)),
            exit_code=DONE,
            reason=reason_of(DONE),
            loss=results.get("loss"),
            top1=results.get(TOP_1),
            top5=results.get(TOP_5),
            checkpoint=checkpoint,
        )

    def _export(self) -> str:
        """Export the run's checkpoint if that is asked for, and return its prefix."""
        path = self._find_checkpoint()
        if self._config.export_dir:
            self._run.reporter.enter("exporting")
            export_model(self._config, path)
        return path
