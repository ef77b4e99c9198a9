"""Gangs of Volcano and Coscheduling, by the schemas of their PodGroups.

Neither scheduler runs here: what Volcano would write and bind is written and
bound by the test.
"""

VOLCANO = "podgroups.scheduling.volcano.sh"
COSCHEDULING = "podgroups.scheduling.x-k8s.io"
RACK = "example.com/rack"


def say(lab, phase, *conditions, group="digits-1"):
    """Write what Volcano says of a group; its CRD has no status subresource."""
    moment = "2026-01-01T00:00:00Z"
    told = [{"type": t, "status": "True", "message": m, "lastTransitionTime": moment}
            for t, m in conditions]  # fmt: skip
    body = {"status": {"phase": phase, "conditions": told}}
    lab.api.patch(VOLCANO, lab.namespace, group, body)


def test_volcanos_group_is_queued_first_and_its_pods_are_made_when_it_is_admitted(lab):
    scheduling = {"gang": "Volcano", "queue": "research", "npusPerHost": 2, "topologyKey": RACK}
    container = {"name": "trainer", "resources": {"requests": {"cpu": "500m"}}}
    job = lab.job(npus=4, scheduling=scheduling, podTemplate={"spec": {"containers": [container]}})
    job.wait_condition("Created", "False", "WaitingForGang")
    group = lab.api.get(VOLCANO, lab.namespace, "digits-1")
    assert group["spec"] == {
        "minMember": 4,
        "minResources": {"cpu": "2", "huawei.com/Ascend910": "4"},
        "queue": "research",
    }
    assert group["metadata"]["ownerReferences"][0]["uid"] == job.uid

    say(lab, "Pending", ("Unschedulable", "queue resource quota insufficient"))
    job.wait("has Volcano's words", lambda _: "quota insufficient" in scheduled(job)["message"])
    assert scheduled(job)["reason"] == "Unschedulable"
    assert job.pods() == []

    say(lab, "Inqueue")
    job.wait_condition("Created", "True", "PodsCreated")
    pods = job.pods()
    for pod in pods:
        assert pod["metadata"]["annotations"]["scheduling.k8s.io/group-name"] == "digits-1"
        assert pod["spec"]["schedulerName"] == "volcano"
        terms = pod["spec"]["affinity"]["podAffinity"]
        (required,) = terms.values()
        assert RACK in {term["topologyKey"] for term in required}
    say(lab, "Inqueue", ("Unschedulable", "4/4 tasks in gang unschedulable"))
    job.wait("has Volcano's words", lambda _: "4/4 tasks in gang" in scheduled(job)["message"])

    for pod, node in zip(pods, ("fake0", "fake0", "fake1", "fake1"), strict=True):
        lab.api.bind(lab.namespace, pod["metadata"]["name"], node)
    say(lab, "Running")
    job.run()
    assert job.table()["server_count"] == "2"


def test_each_attempt_of_a_volcano_gang_has_a_group_of_its_own(lab):
    job = lab.job(npus=1, scheduling={"gang": "Volcano"})
    job.wait_condition("Created", "False", "WaitingForGang")
    say(lab, "Inqueue")
    job.wait_condition("Created", "True", "PodsCreated")
    lab.api.bind(lab.namespace, "digits-1-0", "fake0")
    (pod,) = job.run()
    job.end(pod, 1)
    job.wait("is at its second attempt", lambda s: s["attempt"] == 2)
    job.wait_condition("Created", "False", "WaitingForGang")
    say(lab, "Inqueue", group="digits-2")
    job.wait_condition("Created", "True", "PodsCreated")
    groups = [g["metadata"]["name"] for g in lab.api.list_all(VOLCANO, lab.namespace)]
    assert groups == ["digits-2"]


def test_a_coscheduling_gang_names_its_group_and_waits_in_its_pods_words(lab):
    job = lab.job(npus=64, npusPerPod=8, scheduling={"gang": "Coscheduling", "topologyKey": RACK})
    # The default scheduler, which has no such plugin here, stands for the one that has.
    job.wait_condition("Scheduled", "False", "Unschedulable")
    group = lab.api.get(COSCHEDULING, lab.namespace, "digits-1")
    assert group["spec"] == {
        "minMember": 8,
        "minResources": {"huawei.com/Ascend910": "64"},
        "scheduleTimeoutSeconds": 60,
    }
    labels = [p["metadata"]["labels"]["scheduling.x-k8s.io/pod-group"] for p in job.pods()]
    assert labels == ["digits-1"] * 8
    assert "nodes are available" in scheduled(job)["message"]
    nodes = {p["spec"].get("nodeName") for p in job.pods()} - {None}
    assert len({lab.api.get("nodes", "", n)["metadata"]["labels"][RACK] for n in nodes}) <= 1


def scheduled(job):
    return job.condition("Scheduled") or {"message": "", "reason": ""}
