"""Control groups: where they are, what they are given, and what a refusal says."""

import errno
import os
from pathlib import Path

import pytest
from localcluster.errors import ClusterError
from localcluster.hierarchies import (
    Hierarchies,
    build_subtree_control,
    describe_refusal,
    find_hierarchies,
    find_refusal,
    make_group,
)

MOUNTS = {
    "version 2 alone": (
        "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0",
        ((Path("/sys/fs/cgroup"),), (), True),
    ),
    "version 1 with a version 2 mount beside it": (
        "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n"
        "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"
        "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"
        "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0",
        (
            (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup/memory")),
            (Path("/sys/fs/cgroup/unified"),),
            False,
        ),
    ),
}


@pytest.mark.parametrize("mounts, want", MOUNTS.values(), ids=MOUNTS)
def test_find_hierarchies(mounts, want):
    found = find_hierarchies(mounts)
    assert (found.roots, found.others, found.unified) == want


def test_a_machine_without_control_groups_is_told_what_to_mount():
    with pytest.raises(ClusterError, match="mount cgroup2"):
        find_hierarchies("proc /proc proc rw 0 0\n")


OFFERED = {
    "of a whole machine, only what a kubelet works with": (
        "cpuset cpu io memory hugetlb pids rdma misc\n",
        "+cpu +cpuset +memory +hugetlb +pids +io",
    ),
    "a kernel without huge pages has none to give": (
        "cpuset cpu io memory pids",
        "+cpu +cpuset +memory +pids +io",
    ),
    "nothing is offered": ("\n", ""),
}


@pytest.mark.parametrize("offered, want", OFFERED.values(), ids=OFFERED)
def test_build_subtree_control(offered, want):
    assert build_subtree_control(offered) == want


def test_controllers_are_enabled_above_a_group_and_not_in_it(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpu memory hugetlb rdma\n")
    for _ in range(2):
        make_group(tmp_path, "enj0-dev/node0", unified=True)
    written = {
        str(file.parent.relative_to(tmp_path)): file.read_text()
        for file in tmp_path.rglob("cgroup.subtree_control")
    }
    assert written == dict.fromkeys((".", "enj0-dev"), "+cpu +memory +hugetlb")
    assert (tmp_path / "enj0-dev/node0").is_dir()


def test_a_new_cpuset_of_version_1_takes_what_is_above(tmp_path):
    (tmp_path / "cpuset.cpus").write_text("0-1\n")
    (tmp_path / "enj0-dev").mkdir()
    (tmp_path / "enj0-dev/cpuset.cpus").write_text("\n")
    make_group(tmp_path, "enj0-dev", unified=False)
    assert (tmp_path / "enj0-dev/cpuset.cpus").read_text() == "0-1\n"


def test_a_trial_leaves_nothing_behind(tmp_path):
    assert find_refusal(Hierarchies((tmp_path,), (), unified=False)) is None
    assert list(tmp_path.iterdir()) == []


def test_a_trial_that_is_refused_names_the_file_and_leaves_nothing_behind(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpu\n")
    (tmp_path / "cgroup.subtree_control").mkdir()  # not to be written to, as a container's
    refusal = find_refusal(Hierarchies((tmp_path,), (), unified=True))
    assert refusal.startswith(f"control group {tmp_path}/cgroup.subtree_control: ")
    assert not list(tmp_path.glob("enj*"))


REFUSALS = {
    "a read-only mount": (errno.EROFS, "mount it writable"),
    "a container's own root group": (errno.EBUSY, "--privileged --cgroupns=host"),
    "anything else": (errno.EACCES, "use the machine itself"),
}


@pytest.mark.parametrize("code, way_out", REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_says_the_way_out(code, way_out):
    said = describe_refusal(OSError(code, os.strerror(code), "/sys/fs/cgroup/enj0"))
    assert said.startswith(f"control group /sys/fs/cgroup/enj0: {os.strerror(code)}; ")
    assert way_out in said
