"""Two operators share a cluster by the labels of the jobs, and leave each other's alone."""

import json

import pytest
from operator_lab.identity import write_operator_kubeconfig
from operator_lab.job import JOBS, Job
from operator_lab.process import OperatorProcess
from operator_lab.waiting import wait_until

OURS, OTHERS = "--selector=team in (vision)", "--selector=team!=vision"


@pytest.fixture
def two(lab, simulated_cluster, tmp_path):
    """The operator of team vision and that of all others, in the place of the shared one."""
    lab.operator.kill()
    kubeconfig = write_operator_kubeconfig(simulated_cluster, tmp_path / "kubeconfig")
    operators = [
        OperatorProcess(kubeconfig, tmp_path / f"{n}.log", selector)
        for n, selector in enumerate((OURS, OTHERS))
    ]
    for operator in operators:
        operator.start()
    yield operators
    for operator in operators:
        operator.terminate()


def jobs_told_of(operator):
    """Return the jobs that an operator's log speaks of."""
    lines = [json.loads(line) for line in operator.log.read_text().splitlines()]
    return {line["job"].rpartition("/")[2] for line in lines if "job" in line}


def knows(operator, job):
    names = f'job_name="{job.name}",namespace="{job.namespace}"'
    return f"efficientnet_operator_job_npus{{{names}}}" in operator.fetch("/metrics")


def test_each_operator_looks_after_its_own_jobs(lab, two):
    mine = Job(lab.api, lab.namespace, "mine", {"npus": 2}, {"team": "vision"}).create()
    other = Job(lab.api, lab.namespace, "other", {"npus": 2}, {"team": "speech"}).create()
    nobodys = lab.job("nobodys", npus=2)
    for job in (mine, other, nobodys):
        job.run()
    assert [jobs_told_of(operator) for operator in two] == [{"mine"}, {"other", "nobodys"}]


def test_a_job_whose_label_changes_goes_over_with_its_pods(lab, two):
    job = Job(lab.api, lab.namespace, "digits", {"npus": 2}, {"team": "vision"}).create()
    before = job.run()
    assert (knows(two[0], job), knows(two[1], job)) == (True, False)
    body = {"metadata": {"labels": {"team": "speech"}}}
    lab.api.patch(JOBS, lab.namespace, job.name, body)
    wait_until("the other has it", lambda: knows(two[1], job) and not knows(two[0], job))
    assert [p["metadata"]["uid"] for p in job.pods()] == [p["metadata"]["uid"] for p in before]
    said = two[0].log.stat().st_size
    job.end(before[0], 1)
    job.run(attempt=2)
    assert two[0].log.stat().st_size == said
    assert jobs_told_of(two[1]) == {"digits"}


def test_a_selector_that_cannot_be_read_is_told_at_once(lab, simulated_cluster, tmp_path):
    kubeconfig = write_operator_kubeconfig(simulated_cluster, tmp_path / "kubeconfig")
    operator = OperatorProcess(kubeconfig, tmp_path / "log", "--selector=team=a=b")
    try:
        with pytest.raises(AssertionError, match="--selector 'team=a=b': "):
            operator.start()
    finally:
        operator.kill()
