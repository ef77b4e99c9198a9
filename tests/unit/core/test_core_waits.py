"""What a job waits for, in the words that ``explain`` prints, and when it is looked at again."""

from dataclasses import replace

import pytest
from core_builders import JOB, Cluster, a_job, a_pod, a_running_job, fail, failed
from efficientnet_operator.core.resources import NATIVE_GROUPS
from efficientnet_operator.core.view import NOT_SERVED, Refusal


def a_gang(kind, **scheduling):
    return Cluster(a_job(4, scheduling={"gang": kind, **scheduling}))


def created(cluster):
    cluster.settle()
    return cluster


def after_a_predecessor():
    cluster = Cluster(a_job(4))
    old = replace(JOB, uid="older")
    cluster.pods["old"] = replace(a_pod(0, job=old), name="old", deleting=True)
    return cluster


def after_a_failure():
    cluster = a_running_job()
    fail(cluster, "b0-1-2", 1)
    return cluster


def after_a_second_failure():
    cluster = after_a_failure()
    cluster.collect()
    cluster.run()
    fail(cluster, "b0-2-2", 1)
    cluster.collect()
    return cluster


def with_a_rank_that_fails():
    cluster = a_running_job()
    cluster.pods["b0-1-2"] = failed(cluster.pods["b0-1-2"], 1)
    return cluster


def with_a_deleted_pod():
    cluster = a_running_job()
    cluster.change("b0-1-2", deleting=True)
    return cluster


def with_a_group_given_back():
    cluster = created(Cluster(a_job(4, scheduling={"npusPerHost": 2})))
    cluster.change("b0-1-0", node="small", bound_since=cluster.now)
    cluster.change("b0-1-1", unschedulable="no room", unschedulable_since=cluster.now)
    cluster.turn(10)
    return cluster


def with_a_group_on_its_way_out():
    cluster = a_gang("Native")
    cluster.turn()
    cluster.pods.clear()
    cluster.groups["b0-1"]["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    return cluster


def refused():
    cluster = Cluster(a_job(4))
    cluster.refusals = {"b0-1-0": Refusal("PodForbidden", "exceeded quota")}
    return cluster


def without_an_api():
    cluster = a_gang("Native")
    cluster.absent = dict.fromkeys(NATIVE_GROUPS, NOT_SERVED)
    return cluster


def with_a_group_that_is_no_more():
    cluster = created(a_gang("Volcano"))
    cluster.groups.clear()
    return cluster


def with_a_flawed_group():
    cluster = a_gang("Native", topologyKey="example.com/rack")
    cluster.turn()
    del cluster.groups["b0-1"]["spec"]["schedulingConstraints"]
    return cluster


def with_nodes(accelerator="Ascend910"):
    cluster = created(Cluster(a_job(4, accelerator=accelerator)))
    for name in cluster.pods:
        cluster.change(name, node="n1")
    return cluster


def finished():
    cluster = a_running_job()
    cluster.pods["b0-1-2"] = failed(cluster.pods["b0-1-2"], 3)
    return cluster


def deleted():
    cluster = Cluster(a_job(4))
    cluster.job["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    return cluster


FOUR = "b0-1-0, b0-1-1, b0-1-2 and 1 more"
WAITS = {
    "a new job": (lambda: Cluster(a_job(4)), "the API server to store them", 5),
    "a predecessor": (after_a_predecessor, "1 pods of a deleted job of the same name to go", 5),
    "an older attempt": (after_a_failure, "4 pods of an older attempt to go", 5),
    "a delay": (after_a_second_failure, "the back-off delay of 10 s", 10),
    "reports": (
        with_a_rank_that_fails,
        "the other ranks' reports, up to 5 s after the first failure",
        1,
    ),
    "the end of an attempt": (with_a_deleted_pod, "the pods of b0-1 to go", 1),
    "pods given back": (with_a_group_given_back, "b0-1-0, b0-1-1 to go", 5),
    "a group given back": (with_a_group_on_its_way_out, "b0-1 to go", 5),
    "a name that is taken": (refused, "the way to be free: exceeded quota", 10),
    "a gang's API": (without_an_api, "podgroups of scheduling.k8s.io/v1beta1 to be served", 10),
    "a gang's group": (lambda: a_gang("Volcano"), "the API server to store it", 10),
    "a gang's group again": (with_a_group_that_is_no_more, "the API server to store it", 10),
    "a gang's admission": (
        lambda: created(a_gang("Volcano")),
        "PodGroup b0-1 to be admitted: nothing was heard of PodGroup b0-1 yet",
        None,
    ),
    "a gang's other group": (with_a_flawed_group, "another PodGroup b0-1", 10),
    "nodes": (lambda: created(Cluster(a_job(4))), f"a node for {FOUR}", None),
    "chips": (with_nodes, f"the device plugin's annotation on {FOUR}", None),
    "addresses": (lambda: with_nodes("CPU"), f"an address on {FOUR}", None),
    "the end": (finished, "nothing: the job is finished", None),
    "its deletion": (deleted, "the API server to delete the job", None),
}


@pytest.mark.parametrize("make, what, requeue_s", WAITS.values(), ids=WAITS)
def test_what_is_waited_for(make, what, requeue_s):
    plan = make().plan()
    assert (plan.waits_for, plan.requeue_s) == (what, requeue_s)
