"""Time steps of a real run and bare steps of its own graph, in turns, in one process.

    python step_rounds.py DATA_DIR --rounds 6 --steps 10 --batch 16

Prints JSON: seconds for each step of each round, with all hooks and metrics and without, and
the process's largest memory in MB. In turns, so that what else the machine does meets both.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time

import tensorflow.compat.v1 as tf
from efficientnet_trainer.backend import TensorFlowBackend, read_rank
from efficientnet_trainer.flags import build_config
from efficientnet_trainer.input import make_input_fn
from efficientnet_trainer.input_watch import watch_input
from efficientnet_trainer.model_fn import RunContext, make_model_fn
from efficientnet_trainer.progress import ProgressReporter
from efficientnet_trainer.saving import SaveListener
from efficientnet_trainer.stop import StopFlag


class BareSteps(tf.train.SessionRunHook):
    """Makes as many bare steps after each round of hooked ones; the last hook of all."""

    def __init__(self, fetches, steps):
        self._fetches = fetches
        self._steps = steps
        self._made = 0
        self._since = None
        self.hooked, self.bare = [], []

    def after_run(self, run_context, run_values):
        if self._since is None:
            # Both graphs are compiled by their first step, which is no part of the comparison.
            run_context.session.run(self._fetches)
            self._since = time.monotonic()
            return
        self._made += 1
        if self._made % self._steps:
            return
        start = time.monotonic()
        self.hooked.append((start - self._since) / self._steps)
        for _ in range(self._steps):
            run_context.session.run(self._fetches)
        self._since = time.monotonic()
        self.bare.append((self._since - start) / self._steps)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data_dir")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--batch", type=int, default=16)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rounds = measure(args, folder)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    figures = {"hooked": rounds.hooked, "bare": rounds.bare, "peak_mb": peak_mb}
    sys.stdout.write(json.dumps(figures) + "\n")


def measure(args, folder):
    total = 2 + 2 * args.rounds * args.steps
    config = build_config(
        {
            "data_dir": args.data_dir,
            "model_dir": os.path.join(folder, "out"),
            "num_train_images": 1437,
            "num_label_classes": 10,
            "input_image_size": 32,
            "crop_and_flip": False,
            "train_batch_size": args.batch,
            "train_steps": total + 1,
            "save_checkpoints_steps": 10 * total,
            "log_steps": args.steps,
        }
    )
    # What a pod's rank has too: a folder that the launcher reads, kept fresh by a thread.
    reporter = ProgressReporter(folder, 0, total)
    reporter.start_heartbeat()
    flag, rank = StopFlag(), read_rank({})
    backend = TensorFlowBackend(config, rank)
    model_fn = make_model_fn(RunContext(config, rank, backend, reporter, flag, restores=False))
    made = []

    def with_bare_steps(features, labels, mode):
        spec = model_fn(features, labels, mode)
        made.append(BareSteps([spec.train_op, spec.loss], args.steps))
        return spec._replace(training_hooks=[*spec.training_hooks, made[0]])

    input_fn = watch_input(make_input_fn(config, True, 1, 0), config.checkpoint_steps(1))
    backend.train(with_bare_steps, input_fn, total, SaveListener(reporter, flag, None))
    return made[0]


if __name__ == "__main__":
    main()
