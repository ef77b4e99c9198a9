"""hccl_ops: the sum over ranks that have all the same value."""

import os

from npu_bridge.record import record


def allreduce(tensor, reduction, fusion=1, fusion_id=-1, group="hccl_world_group"):
    """Return the sum as if every rank had this tensor."""
    if reduction not in ("min", "max", "prod", "sum"):
        raise ValueError(f"reduction is {reduction!r}")
    record("allreduce", reduction=reduction, shape=tensor.shape.as_list())
    return tensor * float(os.environ["RANK_SIZE"])
