"""Harm a running rank as the world would: for tests and measurements of what follows."""

from __future__ import annotations

from localcluster.kubectl import Kubectl

# The brackets keep the shell that runs this from finding itself.
_KILL = (
    "for p in /proc/[0-9]*; do "
    "if tr '\\0' ' ' < $p/cmdline | grep -q ' trai[n] '; then kill -9 ${p#/proc/}; fi; done"
)


def kill_rank(kubectl: Kubectl, pod: str) -> None:
    """Kill the pod's training processes hard, as the kernel does when memory runs out."""
    kubectl("exec", pod, "--", "sh", "-c", _KILL)


def stop_rank(kubectl: Kubectl, pod: str) -> None:
    """Send SIGTERM to the pod's first process, as a kubelet does."""
    kubectl("exec", pod, "--", "sh", "-c", "kill -TERM 1")
