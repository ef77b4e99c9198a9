"""NPURunConfig of CANN 20.2 (r1.2.0): no modify_mixlist, no hccl_timeout yet."""

import json
import os

import tensorflow.compat.v1 as tf

from npu_bridge.record import record


class NPURunConfig(tf.estimator.RunConfig):
    """A RunConfig that knows the NPU's options."""

    def __init__(
        self,
        iterations_per_loop=1,
        profiling_config=None,
        model_dir=None,
        tf_random_seed=None,
        save_summary_steps=0,
        save_checkpoints_steps=None,
        save_checkpoints_secs=None,
        session_config=None,
        keep_checkpoint_max=5,
        keep_checkpoint_every_n_hours=10000,
        log_step_count_steps=100,
        distribute=None,
        enable_data_pre_proc=True,
        precision_mode=None,
        enable_reduce_precision=False,
        variable_format_optimize=True,
        mix_compile_mode=False,
        hcom_parallel=False,
        graph_memory_max_size=None,
        variable_memory_max_size=None,
        auto_tune_mode=None,
        dump_config=None,
        stream_max_parallel_num=None,
        is_tailing_optimization=False,
        horovod_mode=False,
        graph_run_mode=1,
        op_debug_level=0,
        enable_scope_fusion_passes=None,
        enable_exception_dump=0,
    ):
        """Refuse a cluster in TF_CONFIG, want what HCCL needs."""
        if "cluster" in json.loads(os.environ.get("TF_CONFIG", "{}")):
            raise ValueError("NPURunConfig does not support a cluster in TF_CONFIG")
        size = int(os.environ["RANK_SIZE"])
        for name in ("JOB_ID", "RANK_ID", "DEVICE_ID", "ASCEND_DEVICE_ID", "DEVICE_INDEX"):
            os.environ[name]
        if size > 1:
            table = os.environ["RANK_TABLE_FILE"]
            if not table.endswith(".json") or not os.path.isfile(table):
                raise RuntimeError(f"RANK_TABLE_FILE {table} is no .json file")
            if "CM_CHIEF_IP" in os.environ:
                raise RuntimeError("CM_CHIEF_IP and RANK_TABLE_FILE are both set")
        record(
            "run_config",
            iterations_per_loop=iterations_per_loop,
            precision_mode=precision_mode,
            hcom_parallel=hcom_parallel,
            enable_data_pre_proc=enable_data_pre_proc,
            save_checkpoints_steps=save_checkpoints_steps,
            model_dir=model_dir,
        )
        super().__init__(
            model_dir=model_dir,
            tf_random_seed=tf_random_seed,
            save_summary_steps=save_summary_steps or None,
            save_checkpoints_steps=save_checkpoints_steps,
            save_checkpoints_secs=save_checkpoints_secs,
            session_config=session_config,
            keep_checkpoint_max=keep_checkpoint_max,
            log_step_count_steps=log_step_count_steps,
        )
