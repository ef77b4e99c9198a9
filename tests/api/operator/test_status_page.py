"""The status page in a real browser, with tokens that a real API server knows."""

import os
import re
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from operator_lab.identity import grant, write_operator_kubeconfig
from operator_lab.process import OperatorProcess, free_port
from operator_lab.trainer import serving_progress, take_address
from operator_lab.waiting import wait_until

PICTURES = Path(__file__).parents[3] / "build/status-page"
READER = "reader"


@pytest.fixture
def page(lab, simulated_cluster, tmp_path):
    """The operator with a page for tokens, in the place of the shared one; returns its URL."""
    grant(simulated_cluster, "ui.access=token", "ui-access")
    lab.operator.kill()
    port = free_port()
    kubeconfig = write_operator_kubeconfig(simulated_cluster, tmp_path / "kubeconfig")
    flags = ("--ui=token", f"--ui-port={port}", "--progress-interval=0.2")
    operator = OperatorProcess(kubeconfig, tmp_path / "operator.log", *flags)
    operator.start()
    yield f"127.0.0.1:{port}/ui"
    operator.terminate()


@pytest.fixture
def token(lab, simulated_cluster):
    """A token of somebody who may read the jobs of the lab's namespace, and nothing else."""
    kubectl, where = simulated_cluster.kubectl, ("-n", lab.namespace)
    kubectl("create", "serviceaccount", READER, *where)
    account = f"--serviceaccount={lab.namespace}:{READER}"
    role = "--clusterrole=efficientnet-operator-view"
    kubectl("create", "rolebinding", READER, role, account, *where)
    return kubectl("create", "token", READER, *where).strip()


def browse(url, token, picture, tmp_path):
    """Return the page as Chromium has it after loading, and take its picture."""
    command = [
        "chromium",
        "--headless",
        "--no-sandbox",  # root has none, and the page is ours
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--no-proxy-server",
        "--window-size=1280,900",
        f"--user-data-dir={tmp_path / 'chromium'}",
    ]
    address = f"http://anybody:{token}@{url}"
    environment = {**os.environ, "HOME": str(tmp_path)}
    PICTURES.mkdir(parents=True, exist_ok=True)

    def run(*flags):
        return subprocess.run(
            [*command, *flags, address],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=90,
        ).stdout

    run(f"--screenshot={PICTURES / picture}")
    return run("--dump-dom")


def fetch(url, token=""):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"http://{url}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def train(lab):
    """Bring a job to its training, and let it tell of forty steps."""
    job = lab.job("digits", npus=2)
    step = 0

    def progress():
        nonlocal step
        step = min(step + 1, 40)
        entry = {
            "rank": 0,
            "phase": "training",
            "step": step,
            "loss": 2.3 / (1 + step / 8),
            "imagesPerSecond": 180 + step % 5,
            "top1": 0.5 + step / 100,
        }
        return {"ranks": [entry]}

    for pod in job.wait_bound(2):
        take_address(job, pod)
    with serving_progress(progress):
        job.run()
        job.wait("is at step 40", lambda s: s.get("progress", {}).get("step") == 40)
    return job


def test_a_browser_shows_jobs_and_curves(lab, page, token, tmp_path):
    train(lab)
    jobs = browse(f"{page}/{lab.namespace}", token, "jobs.png", tmp_path)
    assert re.search(r'<td class="Running">Running</td>', jobs), jobs
    assert f'href="/ui/{lab.namespace}/digits"' in jobs
    job = browse(f"{page}/{lab.namespace}/digits", token, "job.png", tmp_path)
    for title in ("loss", "images per second", "top-1 accuracy"):
        assert f"<figcaption>{title}: " in job
    assert min(len(points.split()) for points in re.findall(r'points="([^"]+)"', job)) >= 10
    for picture in ("jobs.png", "job.png"):
        assert (PICTURES / picture).read_bytes().startswith(b"\x89PNG")


def test_only_those_who_may_read_the_jobs_see_them(lab, page, token):
    own = f"{page}/{lab.namespace}"
    assert fetch(own)[0] == 401
    assert fetch(own, "no-token")[0] == 401
    status, text = fetch(page, token)
    assert (status, f"system:serviceaccount:{lab.namespace}:{READER} may not list" in text) == (
        403,
        True,
    )
    assert fetch(f"{page}/default", token)[0] == 403
    wait_until("it lists its own", lambda: fetch(own, token)[0] == 200)
    assert fetch(f"{own}/none", token)[0] == 404


def test_a_port_that_is_taken_ends_the_operator_with_a_word(lab, simulated_cluster, tmp_path):
    kubeconfig = write_operator_kubeconfig(simulated_cluster, tmp_path / "kubeconfig")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        flags = ("--ui=port-forward", f"--ui-port={port}")
        operator = OperatorProcess(kubeconfig, tmp_path / "log", *flags)
        try:
            with pytest.raises(AssertionError, match=f"cannot listen on port {port} of 127.0.0.1"):
                operator.start()
        finally:
            operator.kill()
