"""Collectives between processes of one machine, by files in a folder that they share."""

import os
import time

import numpy as np
import tensorflow.compat.v1 as tf

TIMEOUT_S = 60
_turns = {}


def sum_over_ranks(tensor, name):
    """Return the sum of a tensor over all ranks, each of which has to run this as often."""
    if "NPU_STAND_IN_PEERS" not in os.environ:
        return tensor * float(os.environ["RANK_SIZE"])
    key = tf.get_default_graph().unique_name(name).replace("/", ".")

    def exchange(own):
        turn = _turns[key] = _turns.get(key, 0) + 1
        _write(key, turn, own)
        # In one order on every rank, so that rounding is the same.
        total = sum(_read(key, turn, rank) for rank in range(int(os.environ["RANK_SIZE"])))
        return np.asarray(total, own.dtype)  # a scalar's sum would be a double

    return _on_the_host(exchange, tensor)


def take_from_root(tensor, root_rank):
    """Return the root's value of a tensor."""
    if "NPU_STAND_IN_PEERS" not in os.environ:
        return tensor
    key = tf.get_default_graph().unique_name("HcomBroadcast").replace("/", ".")

    def exchange(own):
        turn = _turns[key] = _turns.get(key, 0) + 1
        if int(os.environ["RANK_ID"]) == root_rank:
            _write(key, turn, own)
        return _read(key, turn, root_rank)

    return _on_the_host(exchange, tensor)


def _on_the_host(exchange, tensor):
    result = tf.py_func(exchange, [tensor], tensor.dtype)
    result.set_shape(tensor.shape)
    return result


def _path(key, turn, rank):
    return os.path.join(os.environ["NPU_STAND_IN_PEERS"], f"{key}.{turn}.{rank}.npy")


def _write(key, turn, own):
    rank = os.environ["RANK_ID"]
    path = _path(key, turn, rank)
    with open(path + ".part", "wb") as stream:
        np.save(stream, own)
    os.rename(path + ".part", path)
    # Whoever writes this turn has had an answer to the one before: all have read what precedes.
    if turn > 2 and os.path.exists(_path(key, turn - 2, rank)):
        os.unlink(_path(key, turn - 2, rank))


def _read(key, turn, rank):
    path, deadline = _path(key, turn, rank), time.monotonic() + TIMEOUT_S
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            raise RuntimeError(f"rank {rank} is not there after {TIMEOUT_S} s")
        time.sleep(0.001)
    return np.load(path)
