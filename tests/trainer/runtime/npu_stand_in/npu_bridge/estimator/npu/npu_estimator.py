"""NPUEstimator and its spec, computing on the CPU."""

import tensorflow.compat.v1 as tf

from npu_bridge.estimator.npu.npu_config import NPURunConfig


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
            raise ValueError("config must be a NPURunConfig")

        def checked_model_fn(features, labels, mode):
            spec = model_fn(features, labels, mode)
            if not isinstance(spec, NPUEstimatorSpec):
                raise ValueError("model_fn must return a NPUEstimatorSpec")
            return spec

        super().__init__(checked_model_fn, model_dir, config, params, warm_start_from)
