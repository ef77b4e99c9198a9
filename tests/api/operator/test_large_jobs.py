"""Jobs of the largest size that the API server takes, with names of the greatest length."""

import json

import pytest
from operator_lab.api import RefusedError
from operator_lab.job import Job
from operator_lab.waiting import wait_until

LONGEST_NAME = "n" * 40
MEBIBYTE = 1024 * 1024
ANNOTATIONS_BYTES = 256 * 1024
"""What the API server takes of annotations, all keys and values together."""


def with_text(size):
    """Return a pod template of about so many bytes: one long value in the environment."""
    variable = {"name": "TEXT", "value": "x" * size}
    return {"spec": {"containers": [{"name": "trainer", "env": [variable]}]}}


def test_a_job_of_a_mebibyte_runs_fails_and_runs_again(lab):
    job = lab.job(LONGEST_NAME, npus=2, podTemplate=with_text(MEBIBYTE))
    annotations = {"example.com/notes": "y" * (ANNOTATIONS_BYTES - len("example.com/notes"))}
    body = {"metadata": {"annotations": annotations}}
    lab.api.patch("efficientnetjobs", lab.namespace, job.name, body)
    pods = job.run()
    job.end(pods[1], 137)
    pods = job.run(attempt=2)
    for pod in pods:
        variables = {e["name"]: e.get("value") for e in pod["spec"]["containers"][0]["env"]}
        assert len(variables["TEXT"]) == MEBIBYTE
        job.end(pod, 0)
    job.wait_phase("Succeeded")
    wanted = [f"{LONGEST_NAME}-{attempt}-{index}" for attempt in (1, 2) for index in (0, 1)]
    assert sorted(lab.created("pods")) == wanted


def create_largest(lab):
    """Create the largest job that the API server stores; return it and its size."""
    taken, refused = MEBIBYTE, 2 * MEBIBYTE
    while refused - taken > 16:
        size = (taken + refused) // 2
        job = Job(lab.api, lab.namespace, "giant", {"npus": 1, "podTemplate": with_text(size)})
        try:
            job.create()
        except RefusedError:
            refused = size
        else:
            taken = size
            job.delete()
    return Job(
        lab.api, lab.namespace, "giant", {"npus": 1, "podTemplate": with_text(taken)}
    ).create(), taken


def test_a_job_that_leaves_no_room_for_a_status_harms_no_other(lab):
    lab.operator.kill()  # or it would write to the tries
    giant, size = create_largest(lab)
    lab.operator.start()
    print(f"the largest job has a pod template of {size} bytes")
    before = lab.operator.log.stat().st_size

    def refused():
        said = lab.operator.log.read_bytes()[before:].decode()
        lines = [json.loads(line) for line in said.splitlines()]
        about = [line for line in lines if line.get("job") == f"{lab.namespace}/giant"]
        return any("request is too large" in line["message"] for line in about)

    job = lab.job(npus=1)
    (pod,) = job.run()
    job.end(pod, 0)
    job.wait_phase("Succeeded")
    wait_until("it tells why the large one does not begin", refused)
    assert giant.status == {}
    assert lab.created("pods") == ["digits-1-0"]
    giant.delete()
    wait_until("it is gone", lambda: not lab.api.find("efficientnetjobs", lab.namespace, "giant"))


def test_more_annotations_than_the_api_server_takes_are_its_own_matter(lab):
    job = lab.job(npus=1)
    with pytest.raises(RefusedError, match=r"metadata\.annotations: Too long"):
        body = {"metadata": {"annotations": {"example.com/notes": "y" * ANNOTATIONS_BYTES}}}
        lab.api.patch("efficientnetjobs", lab.namespace, job.name, body)
    job.run()
