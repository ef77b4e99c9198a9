"""The operator as a process: what it serves, what it polls, how it stops."""

import json
from datetime import datetime
from pathlib import Path

from localcluster.control_plane import ControlPlane
from operator_lab.api import Api
from operator_lab.identity import install
from operator_lab.job import Job
from operator_lab.process import OperatorProcess
from operator_lab.trainer import serving_progress, take_address
from operator_lab.waiting import wait_until
from prometheus_client.parser import text_string_to_metric_families

PROGRESS = json.loads((Path(__file__).parents[2] / "contract/progress.json").read_text())


def read_metrics(operator):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(operator.fetch("/metrics"))
        for sample in family.samples
    }


def by_resource(metrics, name):
    """Return the values of one of the operator's metrics of watches."""
    return {
        resource: value
        for (found, *resources), value in metrics.items()
        if found == f"efficientnet_operator_{name}"
        for resource in resources
    }


def test_it_serves_health_and_metrics(lab):
    lab.job(npus=2).run()
    assert lab.operator.fetch("/healthz") == "ok"
    assert lab.operator.fetch("/readyz") == "ok"

    def counted():
        metrics = read_metrics(lab.operator)
        allocated = metrics.get(("efficientnet_operator_npus_allocated", lab.namespace))
        return metrics if allocated == 2 else None

    metrics = wait_until("its NPUs are counted", counted)
    assert metrics["efficientnet_operator_jobs", "Running"] >= 1
    assert metrics[("efficientnet_operator_time_to_table_seconds_count",)] >= 1
    assert metrics[("efficientnet_operator_queue_seconds_count",)] >= 1
    assert metrics["efficientnet_operator_job_npus", "digits", lab.namespace] == 2
    ages = by_resource(metrics, "watch_age_seconds")
    around = {"nodes", "chip reports"}
    assert set(ages) == {"pods", "configmaps", "podgroups.scheduling.k8s.io"} | around
    assert max(ages.values()) < 300
    # The first break of a watch is an increase only where there was a 0 before.
    assert set(by_resource(metrics, "watch_restarts_total")) >= set(ages)
    assert metrics[("efficientnet_operator_reconcile_seconds_count",)] >= 1
    assert metrics["efficientnet_operator_reconcile_errors_total", "internal"] == 0
    own = {name for name, *_ in metrics if not name.startswith(("python_", "process_"))}
    assert all(name.startswith("efficientnet_operator_") for name in own)


def test_progress_of_rank_0_appears_in_the_status(lab):
    job = lab.job(npus=1, training={"trainSteps": 300})
    (pod,) = job.wait_bound(1)
    take_address(job, pod)
    with serving_progress(lambda: PROGRESS):
        job.run()
        status = job.wait("shows a step", lambda s: "step" in s.get("progress", {}))
    entry = next(e for e in PROGRESS["ranks"] if e["rank"] == 0)
    progress = status["progress"]
    assert (progress["phase"], progress["step"]) == (entry["phase"], entry["step"])
    assert (progress["totalSteps"], progress["percent"]) == (300, 40.0)
    assert (progress["loss"], progress["etaSeconds"]) == (entry["loss"], entry["etaSeconds"])


def test_every_line_of_its_log_is_json_and_says_what_it_is_about(lab):
    began = lab.operator.log.stat().st_size
    job = lab.job(npus=2)
    pods = job.run()
    job.end(pods[1], 1, {"rank": 1, "message": "no more"})
    job.run(attempt=2)
    written = lab.operator.log.read_bytes()[began:].decode()
    lines = [json.loads(line) for line in written.splitlines()]
    for line in lines:
        assert line.keys() >= {"time", "level", "logger", "message"}
        assert datetime.fromisoformat(line["time"]).tzinfo
    about = [line for line in lines if line.get("job") == f"{lab.namespace}/digits"]
    assert [line["attempt"] for line in about] == sorted(line["attempt"] for line in about)
    (restart,) = [line for line in about if "-> Restarting" in line["message"]]
    assert (restart["attempt"], restart["rank"], restart["level"]) == (2, 1, "INFO")
    assert "exit code 1: no more" in restart["message"]
    assert not [line for line in lines if "digits" in line["message"] and "job" not in line]


def test_it_stops_when_asked_and_leaves_the_jobs_alone(lab):
    job = lab.job(npus=1)
    pods = job.run()
    assert lab.operator.terminate() == 0
    assert job.status["phase"] == "Running"
    assert [p["metadata"]["uid"] for p in job.pods()] == [pods[0]["metadata"]["uid"]]


def test_it_waits_for_the_crd_and_says_so(tmp_path):
    with ControlPlane() as cluster:
        operator = OperatorProcess(cluster.kubeconfig, tmp_path / "operator.log")
        operator.launch()
        try:
            words = "EfficientNetJobs cannot be listed"
            wait_until("it misses the CRD", lambda: words in read(operator.log))
            assert not operator.ready
            install(cluster)
            operator.wait_ready()
            with Api(cluster.kubeconfig) as api:
                job = Job(api, "default", "late", {"npus": 1}).create()
                job.wait("is looked after", lambda status: status.get("phase"))
        finally:
            operator.kill()


def read(path):
    return path.read_text() if path.exists() else ""
