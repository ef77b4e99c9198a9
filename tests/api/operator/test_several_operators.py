"""Two operators and one Lease: one works, the other takes over and does nothing twice."""

import time

import pytest
from operator_lab.identity import NAMESPACE, write_operator_kubeconfig
from operator_lab.process import OperatorProcess
from operator_lab.waiting import wait_until

LEASE = f"--lease={NAMESPACE}/of-a-test"


@pytest.fixture
def two(lab, simulated_cluster, tmp_path):
    """Two operators in the place of the shared one, the first of which works."""
    lab.operator.kill()
    kubeconfig = write_operator_kubeconfig(simulated_cluster, tmp_path / "kubeconfig")
    operators = [OperatorProcess(kubeconfig, tmp_path / f"{n}.log", LEASE) for n in range(2)]
    for operator in operators:
        operator.start()  # ready means that the caches are filled, not that it works
        if operator is operators[0]:
            wait_until("the first works", lambda: leads(operators[0]))
    yield operators
    for operator in operators:
        operator.terminate()


def leads(operator):
    return "efficientnet_operator_leading 1.0" in operator.fetch("/metrics")


def test_one_works_and_the_other_stands_by(lab, two):
    job = lab.job(npus=2)
    job.run()
    assert (leads(two[0]), leads(two[1])) == (True, False)
    assert "Pending -> " not in two[1].log.read_text()


def test_after_a_kill_the_other_goes_on_within_15_s(lab, two):
    job = lab.job(npus=2)
    pods = job.run()
    two[0].kill()
    job.end(pods[0], 1)
    began = time.monotonic()
    status = job.wait("begins attempt 2", lambda s: s.get("attempt") == 2)
    print(f"attempt 2 began {time.monotonic() - began:.1f} s after the kill")
    assert status["restarts"] == 1
    job.run(attempt=2)
    assert sorted(lab.created("pods")) == [f"digits-{a}-{i}" for a in (1, 2) for i in (0, 1)]


def test_one_that_stops_hands_over_at_once(lab, two):
    assert two[0].terminate() == 0
    began = time.monotonic()
    wait_until("the second works", lambda: leads(two[1]))
    print(f"the second works {time.monotonic() - began:.1f} s after the end of the first")
    lab.job(npus=1).run()
