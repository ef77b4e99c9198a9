"""NPUEstimator and its spec, computing on the CPU."""

import os

import tensorflow.compat.v1 as tf

from npu_bridge import device
from npu_bridge.estimator.npu import npu_hook
from npu_bridge.estimator.npu.npu_config import NPURunConfig
from npu_bridge.record import record
from npu_bridge.release import installed


class NPUEstimatorSpec(tf.estimator.EstimatorSpec):
    """An EstimatorSpec with a host_call."""

    def __new__(
        cls,
        mode,
        predictions=None,
        loss=None,
        train_op=None,
        eval_metric_ops=None,
        export_outputs=None,
        training_chief_hooks=None,
        training_hooks=None,
        scaffold=None,
        evaluation_hooks=None,
        prediction_hooks=None,
        host_call=None,
    ):
        """Take what the real one takes."""
        return super().__new__(
            cls,
            mode,
            predictions=predictions,
            loss=loss,
            train_op=train_op,
            eval_metric_ops=eval_metric_ops,
            export_outputs=export_outputs,
            training_chief_hooks=training_chief_hooks,
            training_hooks=training_hooks,
            scaffold=scaffold,
            evaluation_hooks=evaluation_hooks,
            prediction_hooks=prediction_hooks,
        )


class JobInfo:
    """What the real one reads from the environment, and how it fails."""

    def __init__(self):
        """Read it."""
        self.rank_size = int(os.getenv("RANK_SIZE").strip())
        for name in ("RANK_ID", "DEVICE_ID", "ASCEND_DEVICE_ID", "DEVICE_INDEX"):
            os.getenv(name).strip()
        if self.rank_size == 1:
            return
        table = os.getenv("RANK_TABLE_FILE", "")
        if not table.endswith(".json") or not os.path.isfile(table):
            raise RuntimeError(f"RANK_TABLE_FILE {table} is no .json file")
        if "CM_CHIEF_IP" in os.environ:
            raise RuntimeError("CM_CHIEF_IP and RANK_TABLE_FILE are both set")


class NPUEstimator(tf.estimator.Estimator):
    """An Estimator that wants a NPURunConfig."""

    def __init__(
        self,
        model_fn=None,
        model_dir=None,
        config=None,
        params=None,
        job_start_file="",
        warm_start_from=None,
    ):
        """Refuse any other configuration."""
        if not isinstance(config, NPURunConfig):
            raise ValueError("`config` must be provided with type `NPUConfigs`")
        if model_dir != config.model_dir:
            raise ValueError("model_dir are set both in NPUEstimator and NPURunConfig")
        job_info = JobInfo() if os.getenv("JOB_ID") else None
        self._rank_size = job_info.rank_size
        device.iterations_per_loop = 1

        def augmented_model_fn(features, labels, mode):
            if mode == tf.estimator.ModeKeys.EVAL:
                record("evaluation", shape=features.shape.as_list())
            spec = model_fn(features, labels, mode)
            if not isinstance(spec, NPUEstimatorSpec):
                raise RuntimeError("estimator_spec must have type `NPUEstimatorSpec`")
            if mode != tf.estimator.ModeKeys.TRAIN:
                return spec
            return self._add_hooks(spec, model_dir, config)

        super().__init__(
            augmented_model_fn,
            model_dir,
            config,
            params,
            warm_start_from or os.getenv("RESTORE_FROM"),
        )

    def _add_hooks(self, spec, model_dir, config):
        hooks = []
        if self._rank_size > 1:
            hooks.append(npu_hook.NPUBroadcastGlobalVariablesHook(root_rank=0))
        saver = {} if installed() == "r1.2.0" else {"saver": tf.train.Saver()}
        hooks.append(
            npu_hook.NPUCheckpointSaverHook(
                model_dir, save_steps=config.save_checkpoints_steps, **saver
            )
        )
        if config.iterations_per_loop > 1:
            hooks.append(npu_hook.SetIterationsVarHook(config.iterations_per_loop))
            spec = spec._replace(train_op=tf.group(spec.train_op, name="IterationOp"))
        return spec._replace(training_hooks=(*hooks, *spec.training_hooks))
