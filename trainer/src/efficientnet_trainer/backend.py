"""The two ways to train: through npu_bridge on NPUs, through tf.estimator without.

``choose_backend`` decides once; everything else asks the backend for what differs: the
estimator, the optimizer's wrapping, the sum over ranks.  This one is TensorFlow's own: a
plain estimator for one rank, MultiWorkerMirroredStrategy over TF_CONFIG for several.
``npu`` has the other.
"""

import importlib.util
import os
import shutil
import tempfile
from typing import Any, Callable, List, Mapping, NamedTuple, Optional, Tuple

import tensorflow.compat.v1 as tf

from efficientnet_trainer.cluster import CPU
from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.environment import LOCAL_RANKS
from efficientnet_trainer.errors import TrainerError
from efficientnet_trainer.hooks import AgreedStopHook, Shared
from efficientnet_trainer.packed_all_reduce import pack_collectives
from efficientnet_trainer.pointwise import multiply_gradients
from efficientnet_trainer.saving import CheckpointHook, SaveListener
from efficientnet_trainer.stop import StopFlag

ModelFn = Callable[..., Any]
InputFn = Callable[[], tf.data.Dataset]


class Rank(NamedTuple):
    """This process's place in the gang."""

    rank: int
    size: int
    local_ranks: int

    @property
    def is_chief(self) -> bool:
        """Whether it writes the run's checkpoints and evaluates."""
        return self.rank == 0


def read_rank(env: Mapping[str, str]) -> Rank:
    """Read the launcher's variables; a run by hand is a gang of one."""
    return Rank(
        int(env.get("RANK_ID", "0")),
        int(env.get("RANK_SIZE", "1")),
        int(env.get(LOCAL_RANKS, "1")),
    )


class TensorFlowBackend:
    """Training on CPUs by tf.estimator."""

    def __init__(self, config: TrainerConfig, rank: Rank) -> None:
        """Say where a CPU does less than it was asked for."""
        if config.precision == "mixed":
            # A job for NPUs must also run where there are none: that is how it is tried out.
            tf.logging.warning("--precision is mixed, which needs an NPU: training in float32")
        self._config = config
        self._rank = rank

    def checkpoint_dir(self) -> str:
        """Return where this rank writes; every rank saves, for saving is a collective."""
        return checkpoint_dir(self._config, self._rank)

    def train(
        self, model_fn: ModelFn, input_fn: InputFn, max_steps: int, listener: SaveListener
    ) -> None:
        """Train up to ``max_steps`` from the newest checkpoint, or until a hook stops it."""
        discard_old_checkpoints(self._config, self._rank)
        saver = CheckpointHook(
            self.checkpoint_dir(),
            self._config.checkpoint_steps(self._rank.size),
            listener,
            owns_restored=self._rank.is_chief,
        )
        if self._rank.size == 1:
            estimator = tf.estimator.Estimator(model_fn, config=self._run_config(None))
            estimator.train(input_fn, max_steps=max_steps, hooks=[saver])
            return
        strategy = tf.distribute.experimental.MultiWorkerMirroredStrategy()
        estimator = tf.estimator.Estimator(model_fn, config=self._run_config(strategy))
        tf.estimator.train_and_evaluate(
            estimator,
            tf.estimator.TrainSpec(input_fn, max_steps=max_steps, hooks=[saver]),
            tf.estimator.EvalSpec(input_fn),
        )

    def evaluate(self, model_fn: ModelFn, input_fn: InputFn, path: str, hooks: List[Any]) -> None:
        """Run one checkpoint over the input in this process alone; the hooks take the results."""
        # With a cluster in TF_CONFIG the estimator would wait for peers.
        os.environ.pop("TF_CONFIG", None)
        config = self._run_config(None)
        run_estimator(
            lambda folder: tf.estimator.Estimator(
                model_fn, config=config.replace(model_dir=folder)
            ),
            input_fn,
            path,
            hooks,
        )

    def network_context(self) -> Any:
        """Return the context to build the network in."""
        return multiply_gradients()

    def wrap_optimizer(self, optimizer: tf.train.Optimizer) -> tf.train.Optimizer:
        """Return it as it is: the strategy sums the gradients, all at once.

        What is built from here on are the variables beside the network's.
        """
        if self._rank.size > 1:
            pack_collectives(tf.distribute.get_strategy(), self._rank.size)
        return optimizer

    def build_spec(self, mode: str, **fields: Any) -> Any:
        """Return the estimator's spec of a graph."""
        return tf.estimator.EstimatorSpec(mode, **fields)

    def sum_over_ranks(self, tensor: tf.Tensor) -> tf.Tensor:
        """Return the sum of a tensor over all ranks, as one more part of the same step."""
        if self._rank.size == 1:
            return tensor
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, tensor)

    def share(self, loss: tf.Tensor, flag: StopFlag) -> Tuple[tf.Tensor, Any]:
        """Return the mean of the ranks' losses, and the hook that stops them together."""
        shared = Shared(loss, self._rank.size, self.sum_over_ranks)
        return shared.loss, AgreedStopHook(shared, flag)

    def _run_config(self, strategy: Optional[Any]) -> Any:
        return tf.estimator.RunConfig(
            model_dir=self._config.model_dir,
            tf_random_seed=self._config.random_seed,
            # Hooks of our own write both.
            save_summary_steps=None,
            save_checkpoints_steps=None,
            save_checkpoints_secs=None,
            keep_checkpoint_max=self._config.keep_checkpoint_max,
            log_step_count_steps=None,
            session_config=session_config(self._rank),
            train_distribute=strategy,
        )


def checkpoint_dir(config: TrainerConfig, rank: Rank) -> str:
    """Return the folder that a rank's checkpoints go to; only rank 0's are read again."""
    if rank.is_chief:
        return config.model_dir
    return os.path.join(config.model_dir, f"tmp_worker_{rank.rank}")


def run_estimator(
    build: Callable[[str], Any], input_fn: InputFn, path: str, hooks: List[Any]
) -> None:
    """Evaluate with an estimator whose summaries are thrown away: they are of one rank's share.

    Args:
        build: returns the estimator of a model directory.
        input_fn: the rank's share.
        path: prefix of the checkpoint.
        hooks: take the results.
    """
    with tempfile.TemporaryDirectory(prefix="evaluation-") as folder:
        estimator = build(folder)
        estimator.evaluate(input_fn, checkpoint_path=path, hooks=hooks)
        # Each writer has a thread, and a run evaluates many times.
        tf.summary.FileWriterCache.get(estimator.eval_dir()).close()


def discard_old_checkpoints(config: TrainerConfig, rank: Rank) -> None:
    """Delete what an earlier attempt saved as this rank; rank 0's checkpoints stay."""
    if not rank.is_chief:
        shutil.rmtree(checkpoint_dir(config, rank), ignore_errors=True)


def session_config(rank: Rank) -> Any:
    """Share the pod's cores evenly among its ranks."""
    cores = max(1, len(os.sched_getaffinity(0)) // rank.local_ranks)
    # Four at least between ops: collectives and the wait for input block one each meanwhile.
    settings = tf.ConfigProto(
        intra_op_parallelism_threads=cores, inter_op_parallelism_threads=max(4, cores)
    )
    # Rewriting this graph takes longer than it takes to build and gains nothing on a CPU.
    settings.graph_options.rewrite_options.disable_meta_optimizer = True
    return settings


def choose_backend(config: TrainerConfig, rank: Rank, env: Mapping[str, str]) -> Any:
    """Return npu_bridge's backend where it can be loaded, else TensorFlow's.

    Raises:
        TrainerError: this is an NPU's pod and its npu_bridge does not load.
    """
    accelerator = env.get("ENJ_ACCELERATOR")
    if accelerator == CPU or "TF_CONFIG" in env:
        return TensorFlowBackend(config, rank)
    # Here, not above: it is the fallback's business that its modules may be missing.
    from efficientnet_trainer import npu

    bridge, problem = npu.load_bridge()
    if bridge is not None:
        return npu.NpuBackend(config, rank, bridge)
    installed = importlib.util.find_spec("npu_bridge") is not None
    if rank.size > 1 or (installed and accelerator):
        raise TrainerError(
            f"rank {rank.rank} of {rank.size} cannot load npu_bridge ({problem}); check that the "
            f"Ascend driver is mounted and its set_env.sh was sourced, or use accelerator CPU"
        )
    tf.logging.info("npu_bridge is not to be used (%s): training on the CPU", problem)
    return TensorFlowBackend(config, rank)
