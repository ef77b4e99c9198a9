"""Training on Ascend NPUs through npu_bridge, TensorFlow 1.15's adapter for them.

Its releases differ in what their classes accept, so every keyword is held against the
installed signature first.  Probing may fail with anything: without the driver's library
the import ends in a NameError.
"""

import contextlib
import importlib
import inspect
import json
import math
import os
import tempfile
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import tensorflow.compat.v1 as tf

from efficientnet_trainer import backend
from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.npu_stop import LoopStopHook
from efficientnet_trainer.resume import resume_from_other
from efficientnet_trainer.saving import SaveListener
from efficientnet_trainer.stop import StopFlag
from efficientnet_trainer.totals import fill_up

HCCL_TIMEOUT_S = 1800
UNFUSED = 0
"""A collective on its own; the default merges it into those of the gradients."""
LOSS_SCALE_GROWTH_STEPS = 1000
"""Steps without an overflow after which dynamic scaling doubles the factor."""
LOSS_SCALE = "loss_scale"
"""Collection of the factor on the loss, for hooks that report it."""
MIX_LIST = {"white-list": {"to-add": ["ReduceMean", "ReduceMeanD"]}}
"""Ops that mixed precision keeps in float32 by default and that EfficientNet can lower."""


class Bridge(NamedTuple):
    """The parts of npu_bridge that are used."""

    run_config: Any
    estimator: Any
    estimator_spec: Any
    distributed_optimizer: Any
    loss_scale_optimizer: Any
    fixed_loss_scale: Any
    dynamic_loss_scale: Any
    all_reduce: Any


_PARTS = (
    ("npu_bridge.estimator.npu.npu_config", "NPURunConfig"),
    ("npu_bridge.estimator.npu.npu_estimator", "NPUEstimator"),
    ("npu_bridge.estimator.npu.npu_estimator", "NPUEstimatorSpec"),
    ("npu_bridge.estimator.npu.npu_optimizer", "NPUDistributedOptimizer"),
    ("npu_bridge.estimator.npu.npu_loss_scale_optimizer", "NPULossScaleOptimizer"),
    ("npu_bridge.estimator.npu.npu_loss_scale_manager", "FixedLossScaleManager"),
    ("npu_bridge.estimator.npu.npu_loss_scale_manager", "ExponentialUpdateLossScaleManager"),
    ("npu_bridge.hccl.hccl_ops", "allreduce"),
)


def load_bridge() -> Tuple[Optional[Bridge], str]:
    """Return npu_bridge's parts, or None and why it cannot be used."""
    try:
        return Bridge(
            *(getattr(importlib.import_module(module), name) for module, name in _PARTS)
        ), ""
    except Exception as error:  # a missing library shows as NameError, AttributeError, ...
        return None, f"{type(error).__name__}: {error}"


def accepted(function: Callable[..., Any], keywords: Dict[str, Any]) -> Dict[str, Any]:
    """Return the keywords that the installed release knows, saying which it does not."""
    parameters = inspect.signature(function).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return keywords
    unknown = sorted(set(keywords) - set(parameters))
    if unknown:
        tf.logging.info("this npu_bridge has no %s of %s", unknown, function.__qualname__)
    return {name: value for name, value in keywords.items() if name in parameters}


def fit_loop(wanted: int, steps: int) -> int:
    """Return how many steps to run at a time, so that the last loop ends at the last step.

    A loop is never cut short: where its length does not divide the steps that are left, the
    last one runs past them.  Of the lengths from half of ``wanted`` upwards this is the one
    that runs past them least, and of those the longest.
    """
    longest = max(1, min(wanted, steps))
    return min(range(longest, longest // 2, -1), key=lambda length: -steps % length)


class NpuBackend:
    """Training by NPUEstimator, one process per NPU over HCCL."""

    def __init__(self, config: TrainerConfig, rank: backend.Rank, bridge: Bridge) -> None:
        """Take the installed npu_bridge."""
        self._config = config
        self._rank = rank
        self._bridge = bridge

    def checkpoint_dir(self) -> str:
        """Return where this rank writes: NPUEstimator saves on every rank."""
        return backend.checkpoint_dir(self._config, self._rank)

    def train(
        self,
        model_fn: backend.ModelFn,
        input_fn: backend.InputFn,
        max_steps: int,
        listener: SaveListener,
    ) -> None:
        """Train up to ``max_steps`` from rank 0's newest checkpoint.

        A checkpoint of its own could be newer or older than rank 0's.  NPUEstimator's broadcast
        does not make up for it: in some releases it is of the trainable variables only, and
        ranks that count different steps part for ever.
        """
        if not self._rank.is_chief:
            backend.discard_old_checkpoints(self._config, self._rank)
            resume_from_other(self.checkpoint_dir(), self._config.model_dir)
        options = self._train_options(max_steps)
        estimator = self._build_estimator(model_fn, options, self.checkpoint_dir())
        estimator.train(input_fn, max_steps=max_steps, saving_listeners=[listener])

    def evaluate(
        self, model_fn: backend.ModelFn, input_fn: backend.InputFn, path: str, hooks: List[Any]
    ) -> None:
        """Run one checkpoint over the input on this rank's NPU; the hooks take the results.

        All batches get one shape: NPUs compile the graph anew for another.
        """
        backend.run_estimator(
            lambda folder: self._build_estimator(model_fn, {}, folder),
            lambda: fill_up(input_fn(), self._config.eval_batch_size),
            path,
            hooks,
        )

    def wrap_optimizer(self, optimizer: Any) -> Any:
        """Let HCCL average the gradients, and scale the loss where precision is mixed."""
        optimizer = self._bridge.distributed_optimizer(optimizer)
        if self._config.precision == "float32":
            return optimizer
        manager = self._build_loss_scale()
        tf.add_to_collection(LOSS_SCALE, tf.identity(manager.get_loss_scale()))
        # All ranks leave out the update in which one of them had an overflow.
        distributed = self._rank.size > 1
        return self._bridge.loss_scale_optimizer(optimizer, manager, is_distributed=distributed)

    def network_context(self) -> Any:
        """Return an empty context: the graph compiler has convolutions' gradients of its own."""
        return contextlib.nullcontext()

    def build_spec(self, mode: str, **fields: Any) -> Any:
        """Return NPUEstimator's spec of a graph."""
        return self._bridge.estimator_spec(mode, **fields)

    def sum_over_ranks(self, tensor: tf.Tensor) -> tf.Tensor:
        """Return the sum of a tensor over all ranks by HCCL."""
        if self._rank.size == 1:
            return tensor
        return self._bridge.all_reduce(tensor, "sum", fusion=UNFUSED)

    def share(self, loss: tf.Tensor, flag: StopFlag) -> Tuple[tf.Tensor, Any]:
        """Return the mean of the ranks' losses, and the hook that stops them together."""
        total = self.sum_over_ranks(tf.stack([loss]))
        return total[0] / self._rank.size, LoopStopHook(flag, self.sum_over_ranks)

    def _build_loss_scale(self) -> Any:
        if self._config.loss_scaling == "fixed":
            return self._bridge.fixed_loss_scale(loss_scale=self._config.loss_scale)
        return self._bridge.dynamic_loss_scale(
            init_loss_scale=self._config.loss_scale,
            incr_every_n_steps=LOSS_SCALE_GROWTH_STEPS,
        )

    def _train_options(self, max_steps: int) -> Dict[str, Any]:
        # Micro-batches are added up by runs of the session, which a loop would not return to.
        accumulates = self._config.gradient_accumulation_steps > 1
        wanted = 1 if accumulates else self._config.iterations_per_loop
        loop = fit_loop(wanted, max_steps - self._newest_step())
        if loop != wanted:
            tf.logging.info("%d steps a loop, not %d, to end at step %d", loop, wanted, max_steps)
        loops_per_save = math.ceil(self._config.checkpoint_steps(self._rank.size) / loop)
        return {
            # Hooks of our own write summaries and log lines.  A summary would also be one more
            # set of fetches, for which an NPU compiles the whole graph again.
            "save_summary_steps": 0,
            "log_step_count_steps": None,
            "save_checkpoints_steps": loops_per_save * loop,
            "iterations_per_loop": loop,
            "hcom_parallel": True,
            "hccl_timeout": HCCL_TIMEOUT_S,
        }

    def _newest_step(self) -> int:
        """Return the step that training goes on from, the same on all ranks."""
        newest = tf.train.latest_checkpoint(self._config.model_dir)
        return int(tf.train.load_variable(newest, "global_step")) if newest else 0

    def _build_estimator(
        self, model_fn: backend.ModelFn, options: Dict[str, Any], model_dir: str
    ) -> Any:
        mixed = self._config.precision != "float32"
        keywords = dict(
            options,
            model_dir=model_dir,
            tf_random_seed=self._config.random_seed,
            keep_checkpoint_max=self._config.keep_checkpoint_max,
            session_config=tf.ConfigProto(),
            enable_data_pre_proc=True,
            # The 910 has no float32 convolution, so the other mode lowers only such ops.
            precision_mode="allow_mix_precision" if mixed else "allow_fp32_to_fp16",
        )
        if mixed:
            keywords["modify_mixlist"] = _write_mix_list()
        run_config = self._bridge.run_config(**accepted(self._bridge.run_config, keywords))
        return self._bridge.estimator(model_fn=model_fn, model_dir=model_dir, config=run_config)


def _write_mix_list() -> str:
    """Write MIX_LIST where the graph compiler can read it, and return the path."""
    handle, path = tempfile.mkstemp(suffix=".json", prefix="mixlist-")
    with os.fdopen(handle, "w") as stream:
        json.dump(MIX_LIST, stream)
    return path
