"""The operator as it is shipped, on a simulated cluster: a real process with its own rights.

- ``operator``: runs, logged in as the ServiceAccount of deploy/rbac; `kill()`, `start()`.
- ``lab``: a namespace of the test's own: `lab.job(npus=4)` creates a job. At the end its NPUs
  are given back, and the operator must have met no refused right and no internal error.
"""

import re
from collections.abc import Iterator
from itertools import count

import pytest
from operator_lab.api import Api
from operator_lab.identity import install, write_operator_kubeconfig
from operator_lab.job import JOBS, Job
from operator_lab.process import OperatorProcess
from operator_lab.waiting import wait_until

# What must never stand in the operator's log, whatever a test does to it.
COMPLAINTS = re.compile(r"internal error|Traceback|is forbidden: User|never awaited|task .* died")
NUMBERS = count(1)


class Lab:
    """One namespace, its jobs, and the operator that looks after them.

    Attributes:
        may_be_refused: rights are refused by the test itself, so the log may complain.
    """

    may_be_refused = False

    def __init__(self, api: Api, namespace: str, operator: OperatorProcess) -> None:
        self.api = api
        self.namespace = namespace
        self.operator = operator
        self.began = {
            resource: api.version(resource, namespace) for resource in ("pods", "configmaps", JOBS)
        }

    def job(self, name: str = "digits", **spec) -> Job:
        return Job(self.api, self.namespace, name, spec).create()

    def history(self, resource: str) -> list[tuple[str, dict]]:
        """Everything that happened to a resource in this namespace: (event, object)."""
        events = self.api.history(resource, self.namespace, self.began[resource])
        return [(event["type"], event["object"]) for event in events]

    def created(self, resource: str) -> list[str]:
        return [o["metadata"]["name"] for kind, o in self.history(resource) if kind == "ADDED"]

    def wait_event(self, job: Job, reason: str, kind: str) -> None:
        """Wait for an event on a job: it is told after what it tells of is done."""

        def found():
            events = self.api.list_all("events", self.namespace)
            mine = [e for e in events if e["involvedObject"]["uid"] == job.uid]
            return (reason, kind) in {(e["reason"], e["type"]) for e in mine}

        wait_until(f"event {reason} on {self.namespace}/{job.name}", found)

    def clear(self) -> None:
        """Give everything back: the next test counts free NPUs."""
        for resource in (JOBS, "pods"):
            for item in self.api.list_all(resource, self.namespace):
                name = item["metadata"]["name"]
                if item["metadata"].get("finalizers"):
                    body = {"metadata": {"finalizers": None}}
                    self.api.patch(resource, self.namespace, name, body)
            self.api.delete(resource, self.namespace)
        wait_until("all pods are gone", lambda: not self.api.list_all("pods", self.namespace))


@pytest.fixture(scope="session")
def api(simulated_cluster) -> Iterator[Api]:
    install(simulated_cluster)
    with Api(simulated_cluster.kubeconfig) as api:
        yield api


@pytest.fixture(scope="session")
def shared_operator(api, simulated_cluster, tmp_path_factory) -> Iterator[OperatorProcess]:
    folder = tmp_path_factory.mktemp("operator")
    kubeconfig = write_operator_kubeconfig(simulated_cluster, folder / "kubeconfig")
    operator = OperatorProcess(kubeconfig, folder / "operator.log", "--progress-interval=1")
    operator.start()
    yield operator
    operator.kill()


@pytest.fixture
def operator(shared_operator) -> OperatorProcess:
    """The operator runs when the test starts, whatever an earlier one did to it."""
    shared_operator.start()
    return shared_operator


@pytest.fixture
def lab(api, operator, request) -> Iterator[Lab]:
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:50].strip("-")
    namespace = f"{words}-{next(NUMBERS)}"
    api.create("namespaces", "", {"metadata": {"name": namespace}})
    account = ("serviceaccounts", namespace, "default")
    wait_until("pods may be made there", lambda: api.find(*account))
    lab = Lab(api, namespace, operator)
    before = operator.log.stat().st_size
    yield lab
    lab.clear()
    said = operator.log.read_bytes()[before:].decode()
    print(said)  # pytest shows it where the test failed
    complaints = [line for line in said.splitlines() if COMPLAINTS.search(line)]
    assert lab.may_be_refused or not complaints, complaints
