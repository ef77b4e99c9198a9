"""Train one rank: ``efficientnet-trainer train``, started by ``launch`` or by hand.

Prepares for signals, imports TensorFlow, runs ``training``, and ends the process with the
run's exit code.  It ends hard: a thread inside a collective would hold up Python's own
exit for ever.
"""

import argparse
import gc
import os
import sys
import threading
import traceback
import warnings
from typing import NoReturn

from efficientnet_trainer import flags, stop, termination
from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.environment import REPORT_DIR
from efficientnet_trainer.progress import ProgressReporter

add_arguments = flags.add_arguments


def run(args: argparse.Namespace) -> NoReturn:
    """Run one rank and end the process with its exit code.

    Raises:
        ConfigError: flags or variables are wrong; raised before TensorFlow is imported.
    """
    settings = flags.from_arguments(args)
    grace_s = stop.stop_grace_s(os.environ)
    rank = int(os.environ.get("RANK_ID", "0"))
    folder = os.environ.get(REPORT_DIR)
    reporter = ProgressReporter(folder, rank, total_steps=settings.train_steps)
    reporter.start_heartbeat()
    flag = stop.StopFlag()
    if settings.trains:
        flag.note_joining()

    leaving = threading.Lock()

    def leave(last_word: termination.Termination) -> NoReturn:
        """End the process; whoever comes second waits for the first to be done."""
        leaving.acquire()
        if folder:
            path = termination.exit_report_path(folder, rank)
            termination.write_whole(path, termination.encode(last_word))
        if last_word.message:
            sys.stderr.write(f"efficientnet-trainer train: {last_word.message}\n")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(last_word.exit_code)

    def leave_joining() -> NoReturn:
        message = "stopped by SIGTERM before its first step, with nothing to save"
        leave(termination.failure(termination.STOPPED, message, rank, reporter.state.step or 0))

    def leave_hard(exit_code: int) -> NoReturn:
        step = reporter.state.step or 0
        message = f"did not stop within {grace_s:g} s of SIGTERM; ended at step {step}"
        leave(termination.failure(exit_code, message, rank, step))

    stop.install(flag, grace_s, leave_joining, leave_hard)
    leave(_execute(settings, reporter, flag))


def _execute(
    settings: TrainerConfig, reporter: ProgressReporter, flag: stop.StopFlag
) -> termination.Termination:
    """Import TensorFlow, run, and turn whatever comes out into the rank's last word."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    # TensorFlow 1.15 spells numpy's types in ways that this numpy announces the end of.
    warnings.filterwarnings("ignore", category=FutureWarning)
    # A graph is hundreds of thousands of objects that all stay: to look for garbage among them
    # at the usual rate takes a seventh of the time until the first step.
    gc.set_threshold(100_000, 20, 100)
    import tensorflow.compat.v1 as tf
    from tensorflow.python.util import deprecation

    from efficientnet_trainer import failures, training

    reporter.reach("import")
    tf.logging.set_verbosity(tf.logging.INFO)
    try:
        # TensorFlow's own calls are not the user's to change; to look through the arguments of
        # each operation for them takes a fifteenth of the time until the first step.
        with deprecation.silence():
            return training.execute(settings, os.environ, reporter, flag)
    except BaseException as error:
        if failures.is_divergence(error):
            reporter.record(nan_steps=reporter.state.nan_steps + 1)
        exit_code, message = failures.explain(error, settings)
        if exit_code == failures.ERROR:
            traceback.print_exc()
        state = reporter.state
        return termination.failure(exit_code, message, state.rank, state.step or 0)
