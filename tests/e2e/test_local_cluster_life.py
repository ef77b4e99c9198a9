"""Clusters come up, come up again after any death, and go without a trace."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from localcluster import registry
from localcluster.cluster import Cluster, remove_orphans
from localcluster.folders import clusters_folder
from localcluster.images import POD_TOOL
from localcluster.names import address_block
from localcluster.processes import identify

ROOT = Path(__file__).resolve().parents[2]

# The kubelet would set these for the whole machine.
KERNEL_SETTINGS = [
    Path("/proc/sys") / name
    for name in (
        "vm/overcommit_memory",
        "vm/panic_on_oom",
        "kernel/panic",
        "kernel/panic_on_oops",
        "net/ipv4/ip_forward",
    )
]


def output(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def machine():
    """What a cluster may change outside its own folder, as sets of lines by kind."""
    processes = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            processes[path.parent.name] = command
    # os.walk passes over what goes while it looks; other clusters come and go.
    folders = (
        Path(parent, name) for parent, names, _ in os.walk("/sys/fs/cgroup") for name in names
    )
    groups = (folder for folder in folders if folder.name.startswith("enj"))
    alone = registry.claims() == []
    counters = re.compile(r"\[\d+:\d+\]|^#.*$", re.MULTILINE)
    return {
        "links": {link["ifname"] for link in json.loads(output("ip", "-json", "link"))},
        "routes": set(output("ip", "route", "show", "table", "all").splitlines()),
        "nft": set(output("nft", "list", "ruleset").splitlines()),
        "iptables": set(counters.sub("", output("iptables-save")).splitlines()),
        "mounts": {line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()},
        "groups": {str(path) for path in groups},
        "claims": {str(claim) for claim in registry.claims()},
        "settings": {f"{path} {path.read_text().strip()}" for path in KERNEL_SETTINGS},
        "processes": {f"{pid} {command}" for pid, command in processes.items()},
        # Other clusters need them as long as they live.
        "mount points": {str(p) for p in registry.MOUNT_POINTS if p.exists() and alone},
        "folders": {str(path) for path in clusters_folder().glob("*")},
    }


def left_behind(before, marks):
    """New lines by kind; of what other runs make at the same time, only those with a mark.

    Firewall rules and kernel settings are nobody's but the machine's, mount
    points are counted when there is no other cluster: there every difference counts.
    """
    found = {}
    for kind, lines in machine().items():
        new = lines - before[kind]
        if kind not in {"nft", "iptables", "settings", "mount points"}:
            new = {line for line in new if any(mark in line for mark in marks)}
        found[kind] = new
    return {kind: lines for kind, lines in found.items() if lines}


def claim_of(cluster):
    return registry.find_claim(cluster.name, cluster.folder)


def pids_of(cluster):
    """Every process of a cluster, containers and shims included."""
    group = f"enj{claim_of(cluster).index}-{cluster.name}"
    found = set()
    for top in Path("/sys/fs/cgroup").glob(f"*/{group}"):
        for folder, _, _ in os.walk(top):
            with contextlib.suppress(OSError):  # its container ended meanwhile
                found |= {int(pid) for pid in Path(folder, "cgroup.procs").read_text().split()}
    return found


def kill_all(pids):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # a helper that lives for a moment
            os.kill(pid, signal.SIGKILL)


def start_pod(cluster, name):
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "containers": [
                        {"name": "c", "image": POD_TOOL, "imagePullPolicy": "Never"},
                    ]
                },
            },
        },
    }
    cluster.kubectl.apply(body)
    cluster.kubectl("rollout", "status", f"deployment/{name}", "--timeout=180s")


@pytest.fixture
def own_cluster():
    """A cluster for one test."""
    own = Cluster(f"life-{os.getpid()}", owned=True)
    yield own
    own.down()


def test_a_cluster_lives_through_a_massacre_and_goes_without_a_trace(own_cluster):
    before = machine()

    own_cluster.up()
    start_pod(own_cluster, "survivor")
    index = claim_of(own_cluster).index
    assert left_behind(before, [f"enj{index}"])["links"] == {f"enj{index}"}, "the one on the host"

    victims = pids_of(own_cluster)
    assert len(victims) >= 13 + 2 * 3, "daemons, and pause, container and shim of each pod"
    kill_all(victims)
    assert own_cluster.problems()
    own_cluster.up()
    assert own_cluster.problems() == []
    own_cluster.kubectl("rollout", "status", "deployment/survivor", "--timeout=180s")

    own_cluster.down()
    block = str(address_block(index).network_address).removesuffix(".0.0")
    marks = [f"enj{index}", f" {block}.", own_cluster.name]
    assert left_behind(before, marks) == {}


def test_a_cluster_of_an_earlier_boot_starts_empty(own_cluster):
    own_cluster.up(nodes=1)
    own_cluster.kubectl("create", "namespace", "of-the-past")
    kill_all(pids_of(own_cluster))
    # A reboot leaves the files and nothing else; only the boot's name tells.
    for file in (own_cluster.folder / "cluster.json", *own_cluster.folder.glob("processes/*")):
        record = json.loads(file.read_text())
        record["boot"] = "00000000-0000-0000-0000-000000000000"
        file.write_text(json.dumps(record))
    own_cluster.up()
    assert "of-the-past" not in own_cluster.kubectl("get", "namespaces")


def test_a_node_that_lost_its_power_comes_back_beside_the_other(own_cluster):
    own_cluster.up()
    healthy = own_cluster.nodes[0].pid
    dead = own_cluster.nodes[1].pid
    group = f"enj{claim_of(own_cluster).index}-{own_cluster.name}/node1"
    for file in Path("/sys/fs/cgroup/memory").glob(f"{group}/**/cgroup.procs"):
        kill_all(map(int, file.read_text().split()))
    own_cluster.up()
    assert own_cluster.nodes[0].pid == healthy
    assert own_cluster.nodes[1].pid != dead
    start_pod(own_cluster, "both")


def test_a_cluster_goes_with_the_test_run_that_was_killed(own_cluster):
    name = f"orphan-{os.getpid()}"
    script = f"""
import time
from localcluster.cluster import Cluster
Cluster({name!r}, owned=True, report=lambda line: None).up(nodes=1)
print("up", flush=True)
time.sleep(600)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tools")}
    argv = [sys.executable, "-c", script]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stdout.readline() == "up\n"
        run.kill()
    orphan = Cluster(name)
    assert orphan.problems() == [], "daemons outlive whoever started them"
    pids = pids_of(orphan)
    remove_orphans()
    assert [pid for pid in pids if identify(pid)] == []
    assert claim_of(orphan) is None
    assert not orphan.folder.exists()


def test_a_machine_that_lacks_tools_is_left_alone_and_told_what_to_install(tmp_path):
    state = {
        "XDG_STATE_HOME": str(tmp_path),
        "PATH": "/nowhere",
        "PYTHONPATH": str(ROOT / "tools"),
    }
    argv = [sys.executable, "-m", "localcluster", "up", "--name", "unborn"]
    done = subprocess.run(argv, capture_output=True, text=True, env=state)
    assert done.returncode == 1
    assert "are missing; apt-get install" in done.stderr
    assert "the Go toolchain is missing" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_down_of_what_is_not_there_is_no_error(capsys):
    Cluster("never-made").down()
    assert capsys.readouterr().out == "cluster never-made: is not there\n"


def test_two_clusters_share_nothing_but_the_machine(cluster, own_cluster):
    own_cluster.up(nodes=1)
    assert claim_of(own_cluster).index != claim_of(cluster).index
    own_cluster.kubectl("create", "namespace", "only-here")
    assert "only-here" not in cluster.kubectl("get", "namespaces")
    own_cluster.down()
    assert cluster.problems() == []
    assert (Path("/var/lib/kubelet")).exists(), "the mount point that the other one needs"
