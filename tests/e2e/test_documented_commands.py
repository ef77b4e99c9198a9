"""Every command that the documents show is run here, or it is said where it runs or what it needs.

A document's commands run in one shell, in their order, in a folder that looks like the
repository. The job that they speak of trains on the local cluster meanwhile.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from demo.small_job import QUICK, build_small_job
from demo.stage import ROOT, remove_job
from docsite.commands import find_commands
from localcluster.binaries import find_binaries
from operator_lab.waiting import wait_until

DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("charts/*/README.md")),
]

NOT_HERE = {
    # how a command begins: where it runs, or what it would need
    "make demo$": "test_jobs.py does what it does, step by step",
    "pip install": "make setup installs the same into operator/.venv",
    "docker build": "tests/deploy/test_images.py builds both files, with buildah",
    "docker push": "needs a registry",
    "helm install": "tests/deploy/test_chart_install.py, and the fixture `equipped`",
    "npu-smi|for i in .* hccn_tool|hccn_tool": "needs NPUs",
}
NEEDS_NPUS = {"npu-checklist.md"}
"""It lists what only NPUs can show."""

REWRITTEN = {
    # What has no end of its own, or takes hours, or would take the cluster away.
    r"^(kubectl .*(--watch|--follow|port-forward).*)$": r"look \1",
    r"^make (?!-s|demo-plot)(.*)$": r"make -n \1",
    r" && make bench-gang": " && make -n bench-gang",
    r"^(kubectl (taint|delete crd|apply -f deploy/examples/8p.yaml).*)$": r"\1 --dry-run=server",
    r"^(helm uninstall.*)$": r"\1 --dry-run",
    r"trainSteps=100": f"trainSteps=4 --set 'training.extraArgs={[*QUICK]}'",
    r"epochs=90": "epochs=1",
    # A finished job of this name is there from the lines before.
    r"^(kubectl enj submit b0-8p .* \|\| exit)$": r"kubectl enj delete b0-8p\n\1",
    # Names that readers fill in.
    r"digits-b0(?!\.yaml)": "b0-8p",
    "NAMESPACE": "default",
    "NODE(?!:)": "node0",
    "POD": "b0-8p-1-0",
    "JOB": "b0-8p",
    r"=/(data|output)": r"=$VOLUMES/\1",
    r"plot /output": "plot $VOLUMES/output",
    "--mode=predict": " ".join(["--mode=predict", *QUICK]),
}
RUNNING = "trains-on"
ITS_OWN = {"kubectl-enj.md": "short"}
"""The job that a document creates and waits for, where that is not the one that trains on."""

STEPS = 100000
JOB = build_small_job(RUNNING, STEPS)
HALF_A_CORE = {
    "spec": {"containers": [{"name": "trainer", "resources": {"limits": {"cpu": "500m"}}}]}
}
"""It is to be there, not to be fast: other tests need the cores."""


def commands_of(document):
    """Return the commands of a document that run here, as they run here."""
    if document.name in NEEDS_NPUS:
        return []
    commands = []
    for command in find_commands(document):
        if any(re.match(pattern, command) for pattern in NOT_HERE):
            continue
        for pattern, replacement in REWRITTEN.items():
            command = re.sub(pattern, replacement, command)
        name = ITS_OWN.get(document.name, RUNNING)
        commands.append(re.sub(r"\bb0-8p\b(?!\.yaml)", name, command))
    return commands


WITH_COMMANDS = [document for document in DOCUMENTS if commands_of(document)]


@pytest.fixture(scope="module")
def running_job(equipped):
    """A job of two ranks that trains for as long as the tests take."""
    remove_job(equipped, RUNNING)
    equipped.kubectl.apply(build_small_job(RUNNING, STEPS, podTemplate=HALF_A_CORE))

    def has_saved():
        status = equipped.kubectl.get("enj", RUNNING).get("status") or {}
        assert status.get("phase") != "Failed", status
        return ((status.get("progress") or {}).get("step") or 0) >= 60

    wait_until(f"{RUNNING} has saved a checkpoint", has_saved, deadline_s=300, pause_s=1)
    yield
    for name in (RUNNING, "from-a-file", "short", "mine"):
        remove_job(equipped, name)


@pytest.fixture
def folder(tmp_path, equipped):
    """The repository, and the files that readers have: jobs and photos."""
    for entry in ROOT.iterdir():
        if entry.name != "build":
            (tmp_path / entry.name).symlink_to(entry)
    short = {**JOB, "metadata": {"name": "from-a-file"}}
    training = {k: v for k, v in JOB["spec"]["training"].items() if k != "trainSteps"}
    short["spec"] = {
        **JOB["spec"],
        "npus": 1,
        "output": {"path": "/output", "volume": {"emptyDir": {}}},
        "training": {**training, "batchSizePerNpu": 100, "epochs": 1},
    }
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(short))
    (tmp_path / "b0-8p.yaml").write_text(yaml.safe_dump(short))
    photos = tmp_path / "photos"
    photos.mkdir()
    draw = "import sys, PIL.Image as i; [i.new('RGB', (64, 48)).save(f) for f in sys.argv[1:]]"
    python = ROOT / "trainer/.venv/bin/python"
    subprocess.run([python, "-c", draw, photos / "a.jpg", tmp_path / "one.jpg"], check=True)
    return tmp_path


@pytest.mark.parametrize("document", WITH_COMMANDS, ids=lambda d: str(d.relative_to(ROOT)))
@pytest.mark.timeout(600)
def test_documented_commands_work(document, equipped, running_job, folder):
    paths = [ROOT / "operator/.venv/bin", ROOT / "trainer/.venv/bin"]
    paths += {Path(p).parent for p in find_binaries("helm", "kubernetes").values()}
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    environment |= {
        "PATH": os.pathsep.join([*map(str, paths), os.environ["PATH"]]),
        "KUBECONFIG": str(equipped.kubeconfig),
        "NAME": equipped.name,
        "VOLUMES": str(equipped.folder / "volumes"),
    }
    look = 'look() { timeout 4 "$@" || [ $? = 124 ]; }'
    script = "\n".join(["set -e", look, "set -x", *commands_of(document)])
    done = subprocess.run(
        [shutil.which("bash"), "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
