"""NPURunConfig of the installed release."""

import json
import os

import tensorflow.compat.v1 as tf

from npu_bridge.record import record
from npu_bridge.release import of_release


@of_release
class NPURunConfig(tf.estimator.RunConfig):
    """A RunConfig that knows the NPU's options."""

    def __init__(
        self,
        iterations_per_loop=1,
        session_config=None,
        save_summary_steps=0,
        save_checkpoints_steps=None,
        save_checkpoints_secs=None,
        **options,
    ):
        """Refuse a cluster in TF_CONFIG and a loop that is none."""
        if "cluster" in json.loads(os.environ.get("TF_CONFIG", "{}")):
            raise ValueError('"cluster" and "distribute" must all be set in ps mode')
        if iterations_per_loop < 1:
            raise ValueError("iterations_per_loop must be positive")
        if save_checkpoints_steps is None and save_checkpoints_secs is None:
            save_checkpoints_steps = 100
        self.iterations_per_loop = iterations_per_loop
        settings = {
            "save_summary_steps": save_summary_steps,
            "save_checkpoints_steps": save_checkpoints_steps,
        }
        record("run_config", iterations_per_loop=iterations_per_loop, **settings, **options)
        known = ("model_dir", "tf_random_seed", "keep_checkpoint_max", "log_step_count_steps")
        settings.update({name: options[name] for name in known if name in options})
        super().__init__(session_config=session_config, **settings)
