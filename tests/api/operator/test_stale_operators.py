"""Two operators without a Lease, one of which hears late: nothing twice, nothing undone."""

import re

import pytest
from operator_lab.identity import write_operator_kubeconfig
from operator_lab.job import JOBS
from operator_lab.process import OperatorProcess
from operator_lab.proxy import Proxy

COMPLAINTS = re.compile("internal error|Traceback")
ALL = ("pods", "configmaps", JOBS)


@pytest.fixture(scope="module")
def late(api, simulated_cluster, tmp_path_factory):
    """A second operator, whose watches a proxy can keep back, beside the shared one."""
    folder = tmp_path_factory.mktemp("late")
    kubeconfig = write_operator_kubeconfig(simulated_cluster, folder / "kubeconfig")
    with Proxy(kubeconfig, folder / "proxied") as proxy:
        operator = OperatorProcess(proxy.kubeconfig, folder / "operator.log")
        operator.start()
        yield proxy, operator
        proxy.release()
        operator.kill()


HELD = {
    "hears of no pod before the end": ("created", "ended", ["pods"]),
    "hears of no pod of the first attempt before the second": ("created", "again", ["pods"]),
    "hears of no table": ("created", "ended", ["configmaps"]),
    "hears of no job before the end": ("created", "ended", [JOBS]),
    "hears of nothing while the gang restarts": ("running", "again", ALL),
    "hears of pods but not of the restart": ("running", "ended", [JOBS]),
    "hears of the restart but of no pods": ("running", "ended", ["pods"]),
    "hears all, as soon": ("created", "created", []),
}


@pytest.mark.parametrize("begin, end, held", HELD.values(), ids=HELD)
def test_one_that_hears_late_does_no_harm(lab, late, begin, end, held):
    proxy, operator = late

    def reach(step):
        if step == begin:
            proxy.hold(*held)
        if step == end:
            proxy.release()

    reach("created")
    job = lab.job(npus=2)
    pods = job.run()
    reach("running")
    job.end(pods[1], 137)
    pods = job.run(attempt=2)
    reach("again")
    for pod in pods:
        job.end(pod, 0)
    job.wait_phase("Succeeded")
    reach("ended")
    # Another job, done by the late one: it has taken in all that came before.
    lab.operator.kill()
    lab.job("later", npus=1).run()
    status = job.status
    assert (status["phase"], status["attempt"]) == ("Succeeded", 2)
    assert (status["restarts"], status["chargedRestarts"]) == (1, 1)
    assert [record["attempt"] for record in status["history"]] == [1, 2]
    created = [name for name in lab.created("pods") if name.startswith("digits")]
    assert sorted(created) == [f"digits-{a}-{i}" for a in (1, 2) for i in (0, 1)]
    assert not COMPLAINTS.search(operator.log.read_text())
    assert attempts(lab) == [1, 2]
    assert tables(lab) == {f"digits-{a}-rank-table": 1 for a in (1, 2)}


def attempts(lab):
    """The attempts that the job's status ever told, in order."""
    told = [
        found["status"]["attempt"]
        for _, found in lab.history(JOBS)
        if found["metadata"]["name"] == "digits" and "attempt" in (found.get("status") or {})
    ]
    return [a for a, before in zip(told, [0, *told], strict=False) if a != before]


def tables(lab):
    """How many different tables were published, by ConfigMap."""
    published = {}
    for _, found in lab.history("configmaps"):
        name, table = found["metadata"]["name"], found["data"].get("hccl.json", "")
        if name.startswith("digits") and '"completed"' in table:
            published.setdefault(name, set()).add(table)
    return {name: len(found) for name, found in published.items()}
