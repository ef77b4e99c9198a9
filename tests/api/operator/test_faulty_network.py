"""What lies between the operator and the API server fails in every way; jobs do not notice."""

import time
from contextlib import contextmanager

import pytest
from operator_lab.identity import write_operator_kubeconfig
from operator_lab.job import JOBS
from operator_lab.process import OperatorProcess
from operator_lab.proxy import Proxy
from operator_lab.waiting import wait_until

WRITE = r"^(POST|PATCH|DELETE) .*"
STATUS = r"^PATCH .*/status"
LISTS = r"^GET .*/(pods|configmaps|podgroups)\?limit"
WATCHES = r"^GET .*/(pods|configmaps|podgroups)\?watch"
GONE = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}
BROKEN = {"type": "ERROR", "object": {"kind": "Status", "code": 500, "message": "no leader"}}


@pytest.fixture(scope="module")
def proxied(shared_operator, simulated_cluster, tmp_path_factory):
    """An operator behind a proxy, in the place of the shared one."""
    shared_operator.kill()
    folder = tmp_path_factory.mktemp("proxied")
    kubeconfig = write_operator_kubeconfig(simulated_cluster, folder / "kubeconfig")
    with Proxy(kubeconfig, folder / "proxied") as proxy:
        operator = OperatorProcess(proxy.kubeconfig, folder / "operator.log")
        operator.start()
        yield proxy, operator
        operator.kill()


@pytest.fixture
def operator(proxied):
    """The operator of this file's ``lab``: its log is looked at after each test."""
    return proxied[1]


@pytest.fixture
def proxy(lab, proxied):
    proxy, operator = proxied
    yield proxy
    proxy.faults.clear()
    assert operator.fetch("/healthz") == "ok"


def live(job, trouble=lambda: None):
    """Lead a job through its life, with a failure of rank 1; trouble comes before each step."""
    trouble()
    pods = job.wait_bound(2)
    trouble()
    job.allocate_all(pods)
    job.wait_phase("Running")
    trouble()
    job.end(job.pods()[1], 137)
    pods = job.run(attempt=2)
    trouble()
    for pod in pods:
        job.end(pod, 0)
    return job.wait_phase("Succeeded")


def check(lab, status):
    assert (status["attempt"], status["restarts"], status["chargedRestarts"]) == (2, 1, 1)
    assert sorted(lab.created("pods")) == [f"digits-{a}-{i}" for a in (1, 2) for i in (0, 1)]


BURSTS = {
    "409 for every status": [(STATUS, 409, {"times": 6})],
    "500 for every write": [(WRITE, 500, {"times": 4})],
    "503 for all that is created": [("^POST", 503, {"times": 3})],
    "500 for a write that was done": [(WRITE, 500, {"times": 4, "sent": True})],
    "an answer to a write that never comes": [(WRITE, 0, {"times": 4, "sent": True})],
    "a page of a load balancer": [(WRITE, 200, {"times": 3, "body": "<html>"})],
    "429 with a number": [(WRITE, 429, {"times": 2, "headers": {"Retry-After": "1"}})],
    "429 with a date": [
        (WRITE, 429, {"times": 4, "headers": {"Retry-After": "Thu, 01 Jan 2026 00:00:00 GMT"}})
    ],
    "429 with nonsense": [(WRITE, 429, {"times": 2, "headers": {"Retry-After": "soon"}})],
}


@pytest.mark.parametrize("faults", BURSTS.values(), ids=BURSTS)
def test_a_burst_of_errors_is_outlived(lab, proxy, faults):
    faults = [proxy.fail(pattern, status, **more) for pattern, status, more in faults]
    status = live(lab.job(npus=2))
    check(lab, status)
    assert [fault.met for fault in faults] == [fault.times for fault in faults]


@contextmanager
def lists_that_fail(proxy):
    """Lists fail, first with an error of the server, then for being asked too often."""
    faults = [
        proxy.fail(LISTS, 500, times=2),
        proxy.fail(LISTS, 429, times=3, headers={"Retry-After": "Thu, 01 Jan 2026 00:00:00 GMT"}),
        proxy.fail(LISTS, 410, times=1),
        proxy.fail(WATCHES, 410, times=2),
    ]
    yield
    assert [fault.met for fault in faults] == [fault.times for fault in faults]


def test_watches_are_cut_in_the_middle_of_a_line(lab, proxy):
    cuts = []
    status = live(lab.job(npus=2), lambda: cuts.append(proxy.cut_watches()))
    check(lab, status)
    print(f"watches that were cut, by step of the life: {cuts}")
    assert all(cuts)


def test_watches_are_too_old(lab, proxy):
    status = live(lab.job(npus=2), lambda: proxy.tell_watches(GONE))
    check(lab, status)


def test_watches_break_and_lists_fail(lab, proxy):
    def trouble():
        for resource in ("pods", "configmaps", "podgroups"):
            proxy.tell_watches(BROKEN, resource=resource)

    with lists_that_fail(proxy):
        status = live(lab.job(npus=2), trouble)
    check(lab, status)


AWAY_S = 15


def test_after_an_outage_it_goes_on_within_seconds(lab, proxy):
    """Longer than kopf's first pauses, which add up: it was deaf for as long as it had waited."""
    job, doomed = lab.job(npus=2), lab.job("doomed", npus=1)
    doomed.wait_bound(1)
    pods = job.wait_bound(2)
    proxy.leave(away=True)
    job.allocate_all(pods)
    doomed.delete()
    new = lab.job("new", npus=1)
    time.sleep(AWAY_S)
    proxy.leave(away=False)
    began = time.monotonic()
    job.wait_phase("Running")
    new.run()
    print(f"all was made up for {time.monotonic() - began:.1f} s after {AWAY_S} s without API")
    assert (job.status["attempt"], job.status["restarts"]) == (1, 0)
    names = ["digits-1-0", "digits-1-1", "doomed-1-0", "new-1-0"]
    assert sorted(lab.created("pods")) == names


def test_an_error_in_the_watch_of_the_jobs_leaves_no_operator_that_is_deaf(lab, proxy):
    """Kopf gives up at errors that it does not know; the kubelet then starts the operator anew."""
    job = lab.job(npus=2)
    pods = job.wait_bound(2)
    lab.may_be_refused = True  # kopf tells of it with a traceback
    assert proxy.tell_watches(BROKEN, resource=JOBS)
    wait_until("it ends", lambda: lab.operator.ended)
    job.allocate_all(pods)
    lab.operator.start()
    job.wait_phase("Running")
    assert (job.status["attempt"], job.status["restarts"]) == (1, 0)
