"""Children of a job: names that are taken, refused pods, and how they go with the job."""

import pytest
from operator_lab.job import Job
from operator_lab.waiting import wait_until

HOLD = {"metadata": {"finalizers": ["tests.efficientnet.dev/hold"]}}
RELEASE = {"metadata": {"finalizers": None}}
FOREIGN = {
    "table": ("configmaps", "ConfigMap", "table-1-rank-table", {"data": {"mine": "yes"}}),
    "member": (
        "pods",
        "Pod",
        "member-1-1",
        {"spec": {"containers": [{"name": "c", "image": "none"}]}},
    ),
    "gang": (
        "podgroups",
        "PodGroup",
        "gang-1",
        {
            "apiVersion": "scheduling.k8s.io/v1beta1",
            "kind": "PodGroup",
            "spec": {"schedulingPolicy": {"gang": {"minCount": 1}}},
        },
    ),
}


def test_what_has_a_childs_name_is_left_alone_and_named(lab):
    placed = {}
    for resource, _, name, body in FOREIGN.values():
        body = {**body, "metadata": {"name": name, "labels": {"whose": "mine"}}}
        placed[name] = lab.api.create(resource, lab.namespace, body)["metadata"]["uid"]
    jobs = {
        job: lab.job(job, npus=2, scheduling={"gang": "Native" if job == "gang" else "None"})
        for job in FOREIGN
    }
    for job, (resource, kind, name, _) in FOREIGN.items():
        message = jobs[job].wait_condition("Created", "False", "NameConflict")
        assert f"{kind} {lab.namespace}/{name} exists and is of no controller" in message
        assert "delete or rename it" in message
        found = lab.api.get(resource, lab.namespace, name)
        assert found["metadata"]["uid"] == placed[name]
        assert found["metadata"]["labels"] == {"whose": "mine"}
        assert "ownerReferences" not in found["metadata"]
    table = lab.api.get("configmaps", lab.namespace, "table-1-rank-table")
    assert table["data"] == {"mine": "yes"}
    for resource, _, name, _ in FOREIGN.values():
        lab.api.delete(resource, lab.namespace, name)
    for job in jobs.values():
        job.run()
        assert job.status["attempt"] == 1


def test_a_predecessors_last_pod_is_waited_for(lab):
    old = lab.job(npus=2)
    pods = old.run()
    held, uid = pods[0]["metadata"]["name"], pods[0]["metadata"]["uid"]
    lab.api.patch("pods", lab.namespace, held, HOLD)
    old.delete()
    job = wait_until("the name is free again", lambda: create_again(lab))
    message = job.wait_condition("Created", "False", "WaitingForPods")
    assert "of a deleted job of the same name" in message
    assert lab.api.get("pods", lab.namespace, held)["metadata"]["uid"] == uid
    lab.api.patch("pods", lab.namespace, held, RELEASE)
    job.run()
    owners = [p["metadata"]["ownerReferences"][0]["uid"] for p in job.pods()]
    assert owners == [job.uid, job.uid]


def create_again(lab) -> Job | None:
    if lab.api.find("efficientnetjobs", lab.namespace, "digits"):
        return None
    return lab.job(npus=2)


def test_a_deleted_job_takes_all_its_children_along_without_the_operator(lab):
    job = lab.job(npus=2, scheduling={"gang": "Native"})
    job.run()
    assert "finalizers" not in job.document["metadata"]
    lab.operator.kill()
    job.delete()

    def left():
        return [
            item["metadata"]["name"]
            for resource in ("pods", "configmaps", "podgroups", "efficientnetjobs")
            for item in lab.api.list_all(resource, lab.namespace)
            if item["metadata"]["name"] != "kube-root-ca.crt"
        ]

    wait_until("every child is gone", lambda: not left(), state=left)


REFUSED = {
    "a volume whose name is none": (
        {"volumes": [{"name": "Not_A_Name", "emptyDir": {}}]},
        "PodInvalid",
        ["Pod digits-1-0 was not created", "Not_A_Name"],
    ),
    "a mount of a volume that is not there": (
        {"containers": [{"name": "trainer", "volumeMounts": [{"name": "x", "mountPath": "/x"}]}]},
        "PodInvalid",
        ["Pod digits-1-0 was not created", 'Not found: "x"'],
    ),
    "a host path under the restricted profile": (
        {"volumes": [{"name": "driver", "hostPath": {"path": "/usr/local/Ascend"}}]},
        "PodForbidden",
        ["Pod digits-1-0 was not created", "violates PodSecurity", "hostPath"],
    ),
}


@pytest.mark.parametrize("template, reason, words", REFUSED.values(), ids=REFUSED)
def test_a_refused_pod_is_told_in_the_api_servers_words(lab, template, reason, words):
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    lab.api.patch("namespaces", "", lab.namespace, {"metadata": {"labels": restricted}})
    job = lab.job(npus=2, podTemplate={"spec": template})
    message = job.wait_condition("Created", "False", reason)
    for word in words:
        assert word in message
    assert job.pods() == []
    lab.wait_event(job, reason, "Warning")
