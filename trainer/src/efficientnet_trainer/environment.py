"""Build the variables of one rank's process: HCCL's own, and TensorFlow's TF_CONFIG.

Pure: the pod's environment and the gang in, a whole environment out.
"""

import json
from typing import Dict, Mapping

from efficientnet_trainer.cluster import CPU, Gang, OwnRank

HCCL_CONNECT_TIMEOUT_S = 1800
"""HCCL's own 120 s is less than pods' starts are apart; it allows 120 to 7200."""

REPORT_DIR = "ENJ_REPORT_DIR"
"""Folder in which a rank leaves its progress and its last word for the launcher."""

LOCAL_RANKS = "ENJ_LOCAL_RANKS"
"""Ranks that share this pod's cores."""

MALLOC_ARENAS = 2
"""TensorFlow's collectives start hundreds of threads, and the C library keeps freed memory
apart for every few of them: by default a rank of b0 takes half as much again."""


def build_child_environment(
    pod_environment: Mapping[str, str],
    gang: Gang,
    own: OwnRank,
    table_file: str,
    with_tf_config: bool,
) -> Dict[str, str]:
    """Return the environment of one rank's process.

    Args:
        pod_environment: the container's variables.
        gang: this pod's view of the gang.
        own: the rank, one of ``gang.own``.
        table_file: path of the rank table; HCCL wants a real file whose name ends in .json.
        with_tf_config: whether TensorFlow forms the cluster itself.  Never with npu_bridge:
            NPURunConfig refuses a TF_CONFIG with a cluster.
    """
    child = {
        name: value
        for name, value in pod_environment.items()
        # A plugin with -presetVirtualDevice=false injects CM_*, which rules out a rank table;
        # POD_NAME wins over RANK_ID inside TensorFlow's plugin.
        if not name.startswith("CM_") and name not in ("POD_NAME", "TF_CONFIG")
    }
    child.update(
        RANK_ID=str(own.rank),
        RANK_SIZE=str(len(gang.workers)),
        JOB_ID=pod_environment.get("ENJ_JOB_UID", "0"),
    )
    child[LOCAL_RANKS] = str(len(gang.own))
    if pod_environment.get("ENJ_ACCELERATOR") != CPU:
        child.update(_hccl_variables(gang, own, table_file))
        child.setdefault("HCCL_CONNECT_TIMEOUT", str(HCCL_CONNECT_TIMEOUT_S))
    if with_tf_config and len(gang.workers) > 1:
        child["TF_CONFIG"] = json.dumps(
            {
                "cluster": {"worker": list(gang.workers)},
                "task": {"type": "worker", "index": own.rank},
            }
        )
        child.setdefault("MALLOC_ARENA_MAX", str(MALLOC_ARENAS))
    return child


def _hccl_variables(gang: Gang, own: OwnRank, table_file: str) -> Dict[str, str]:
    device_ids = sorted(int(rank.device_id or 0) for rank in gang.own)
    variables = {
        "RANK_TABLE_FILE": table_file,
        "DEVICE_ID": own.device_id or "0",
        "ASCEND_DEVICE_ID": str(device_ids.index(int(own.device_id or 0))),
        "DEVICE_INDEX": str(own.rank),
    }
    if own.pod_name is not None:
        variables["POD_NAME"] = own.pod_name
    return variables
