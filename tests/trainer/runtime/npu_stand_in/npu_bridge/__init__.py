"""Stands in for Ascend's npu_bridge: its documented signatures, its demands, on a CPU.

An argument that the release does not know is a TypeError here, as it is there, and what
the real one needs from the environment it needs, too.  ``NPU_STAND_IN_RELEASE`` names the
release.  With ``NPU_STAND_IN_PEERS``, a folder that they share, ranks are processes that
really add up; without it one process stands for all of them.
"""
