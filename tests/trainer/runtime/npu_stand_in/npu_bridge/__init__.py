"""Stands in for Ascend's npu_bridge: its documented signatures, its demands, on a CPU.

An argument that the documentation does not name is a TypeError here, as it is there, and
what the real one needs from the environment it needs, too.
"""
