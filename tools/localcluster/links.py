"""Apply a network plan: look into each namespace, run the commands of what is missing."""

import subprocess
from collections.abc import Mapping, Sequence

from localcluster.errors import ClusterError
from localcluster.network import HOST, Step, plan, read_facts


def apply_network(steps: Sequence[Step], pids: Mapping[str, int]) -> list[Step]:
    """Make every step's fact hold and return the steps that were needed.

    Args:
        steps: what must be so.
        pids: a process of each namespace but the host's, by its name.

    Raises:
        ClusterError: a command failed.
    """
    facts = set().union(*(_observe(where, pids) for where in (HOST, *pids)))
    needed = plan(steps, facts)
    for step in needed:
        argv = [word.format(**pids) for word in step.argv]
        done = subprocess.run([*inside(step.where, pids), *argv], capture_output=True, text=True)
        if done.returncode != 0:
            raise ClusterError(f"network of {step.where}: {' '.join(argv)}: {done.stderr.strip()}")
    return needed


def remove_link(where: str, link: str, pids: Mapping[str, int]) -> None:
    """Remove a link of a namespace, if it is there."""
    argv = ["ip", "link", "delete", link]
    subprocess.run([*inside(where, pids), *argv], capture_output=True)


def inside(where: str, pids: Mapping[str, int]) -> list[str]:
    """Return the start of a command line that runs the rest in a network namespace."""
    return [] if where == HOST else ["nsenter", f"--target={pids[where]}", "--net", "--"]


def _observe(where: str, pids: Mapping[str, int]) -> set[tuple[str, str]]:
    commands = (
        ["ip", "-json", "address"],
        ["ip", "-json", "route"],
        ["cat", "/proc/sys/net/ipv4/ip_forward"],
    )
    outputs = [
        subprocess.run([*inside(where, pids), *argv], capture_output=True, text=True, check=True)
        for argv in commands
    ]
    return read_facts(where, *(output.stdout for output in outputs))


def host_routes() -> str:
    """Return the host's IPv4 routes as `ip -json route` prints them."""
    argv = ["ip", "-json", "-4", "route", "show", "table", "all"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout
