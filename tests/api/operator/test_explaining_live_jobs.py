"""``explain job/NAME`` on a real API server: it reads as the operator does, and writes nothing."""

import json
import subprocess
import sys

import pytest
import yaml


@pytest.fixture
def explain(lab, simulated_cluster):
    """Run the command; return its exit code and what it printed."""

    def run(*arguments, kubeconfig=simulated_cluster.kubeconfig):
        command = [sys.executable, "-m", "efficientnet_operator", "explain", *arguments]
        command += [f"--kubeconfig={kubeconfig}", f"--namespace={lab.namespace}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    return run


def test_a_job_that_waits_for_npus(lab, explain):
    job = lab.job(npus=64)
    job.wait_condition("Scheduled", "False", "Unschedulable")
    lab.operator.kill()  # what is written from here on would be ours
    before = job.document["metadata"]["resourceVersion"]
    code, text, _ = explain("job/digits")
    assert code == 0
    head, *_ = text.splitlines()
    assert head.startswith(f"EfficientNetJob {lab.namespace}/digits: Pending, attempt 1")
    assert "It waits for a node for digits-1-" in text
    assert "Scheduled=False Unschedulable" in text
    assert "nodes are available: " in text  # for lack of NPUs, or of a host of their own
    assert job.document["metadata"]["resourceVersion"] == before


def test_a_job_that_runs(lab, explain):
    job = lab.job(npus=2)
    job.run()
    code, text, _ = explain("enj/digits")
    assert code == 0
    assert "digits: Running, attempt 1, 0 restarts, 2 of 2 NPUs allocated" in text
    assert "It waits for the ranks to finish." in text
    assert "Not met" not in text
    assert "delete" not in text
    for form, load in (("json", json.loads), ("yaml", yaml.safe_load)):
        code, text, _ = explain("digits", "-o", form)
        data = load(text)
        assert (code, data["phase"], data["unmet"]) == (0, "Running", [])
        assert (data["plan"]["deletes"], data["plan"]["creates"]) == ([], [])


def test_what_cannot_be_told_is_said_in_a_line(lab, explain, tmp_path):
    code, _, words = explain("job/nobody")
    assert code == 1
    assert f"EfficientNetJob {lab.namespace}/nobody does not exist" in words
    code, _, words = explain("job/digits", kubeconfig=tmp_path / "none")
    assert code == 1
    assert "name a kubeconfig with --kubeconfig" in words
    assert "Traceback" not in words
