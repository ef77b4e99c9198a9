"""Jobs whose scheduler is not there yet: they say so, and start by themselves when it comes."""

from pathlib import Path

from operator_lab.job import Job

CRDS = Path(__file__).resolve().parents[2] / "crds"
QUEUE = {"kueue.x-k8s.io/queue-name": "team-a"}


def test_a_job_starts_by_itself_when_the_api_of_its_scheduler_comes(alone):
    cluster, api = alone(feature_gates="GenericWorkload=false")
    gangs = {
        kind: Job(api, "default", kind.lower(), {"npus": 2, "scheduling": {"gang": kind}}).create()
        for kind in ("Native", "Volcano", "Coscheduling")
    }
    queued = Job(api, "default", "queued", {"npus": 2}, QUEUE).create()
    words = {
        kind: job.wait_condition("Created", "False", "GangApiMissing")
        for kind, job in gangs.items()
    }
    assert "GenericWorkload=true" in words["Native"]
    assert "podgroups of scheduling.volcano.sh/v1beta1" in words["Volcano"]
    assert "install Volcano" in words["Volcano"]
    assert "scheduler-plugins" in words["Coscheduling"]
    assert "install Kueue" in queued.wait_condition("Suspended", "True", "KueueApiMissing")
    assert api.list_all("pods", "default") == []

    cluster.kubectl("apply", "--server-side", "-f", str(CRDS))
    gangs["Coscheduling"].wait_condition("Created", "True", "PodsCreated")
    gangs["Volcano"].wait_condition("Created", "False", "WaitingForGang")
    queued.wait_condition("Suspended", "True", "WaitingForAdmission")
    assert gangs["Native"].condition("Created")["reason"] == "GangApiMissing"
