"""hccl_ops: collectives of the stand-in's ranks."""

from npu_bridge import peers
from npu_bridge.record import record


def allreduce(tensor, reduction, fusion=1, fusion_id=-1, group="hccl_world_group"):
    """Return the sum over all ranks."""
    if reduction not in ("min", "max", "prod", "sum"):
        raise ValueError(f"reduction is {reduction!r}")
    record("allreduce", reduction=reduction, shape=tensor.shape.as_list(), fusion=fusion)
    return peers.sum_over_ranks(tensor, "HcomAllReduce")


def broadcast(tensor, root_rank, fusion=2, fusion_id=0, group="hccl_world_group"):
    """Return the root's value of each tensor."""
    return [peers.take_from_root(each, root_rank) for each in tensor]
