"""The CRD on a real API server: accepted without remarks, explained, shown in columns."""

import contextlib
from itertools import count

import yaml
from localcluster.errors import ClusterError
from operator_lab.waiting import wait_until


def test_the_server_finds_no_fault_with_the_crd(cluster, jobs):
    crd = cluster.kubectl.get("crd", "efficientnetjobs.efficientnet.dev")
    conditions = {entry["type"]: entry["status"] for entry in crd["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}


def test_explain_tells_meaning_default_and_range(cluster, jobs, tmp_path):
    tries = count()

    def explained():
        # A new cache each time: what is kept may be older than the CRD, whose short name and
        # schema are published a moment after its resource answers.
        fresh = f"--cache-dir={tmp_path}/{next(tries)}"
        with contextlib.suppress(ClusterError):
            return cluster.kubectl("explain", "enj.spec.training.learningRate", fresh)

    text = " ".join(wait_until("kubectl explains the field", explained).split())
    assert (
        "base <number> Learning rate per update, before scaling. Default: 0.016."
        " Range: above 0 to 1000." in text
    )
    assert "scaling <string> enum: LinearPer256, Absolute" in text


def test_every_field_is_described(crd_file):
    crd = yaml.safe_load(crd_file.read_text())
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    bare = [path for part in ("spec", "status") for path in undescribed(spec[part], part)]
    assert bare == []


def undescribed(schema, path):
    if "description" not in schema:
        yield path
    for name, child in schema.get("properties", {}).items():
        yield from undescribed(child, f"{path}.{name}")
    if schema.get("items", {}).get("type") == "object":
        yield from undescribed(schema["items"], f"{path}[]")


def test_get_shows_progress_in_columns(cluster, jobs):
    jobs.create(jobs.build({"metadata.name": "digits-b0", "spec.npus": 4}))
    progress = {"step": 120, "imagesPerSecond": 148.2, "loss": 0.8127, "top1": 0.987}
    jobs.patch_status("digits-b0", {"phase": "Running", "restarts": 1, "progress": progress})
    header, row = cluster.kubectl("-n", jobs.namespace, "get", "enj", "digits-b0").splitlines()
    assert header.split() == (
        ["NAME", "PHASE", "NPUS", "STEP", "IMAGES/S", "LOSS", "TOP-1", "RESTARTS", "AGE"]
    )
    assert row.split()[:-1] == [
        "digits-b0",
        "Running",
        "4",
        "120",
        "148.2",
        "0.8127",
        "0.987",
        "1",
    ]


def test_get_all_includes_jobs(cluster, jobs):
    jobs.create(jobs.build({"metadata.name": "listed"}))
    assert "efficientnetjob.efficientnet.dev/listed" in cluster.kubectl(
        "-n", jobs.namespace, "get", "all", "-o", "name"
    )
