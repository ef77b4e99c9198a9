"""Requests are counted by verb and resource, never by name."""

import pytest
from efficientnet_operator.core.resources import EVENT, JOB, NODE, POD, VOLCANO_GROUP
from efficientnet_operator.kube.request_labels import label_request

REQUESTS = {
    "one pod": ("GET", POD.path("a", "p"), False, ("get", "pods")),
    "pods of a namespace": ("GET", POD.path("a"), False, ("list", "pods")),
    "pods of all namespaces": ("GET", POD.path(), False, ("list", "pods")),
    "a watch": ("GET", POD.path("a"), True, ("watch", "pods")),
    "a node": ("GET", NODE.path(name="n"), False, ("get", "nodes")),
    "a new event": ("POST", EVENT.path("a"), False, ("create", "events")),
    "a job's status": (
        "PATCH",
        JOB.path("a", "b0", "status"),
        False,
        ("patch", "efficientnetjobs/status"),
    ),
    "jobs everywhere": ("GET", JOB.path(), False, ("list", "efficientnetjobs")),
    "a group on its way out": (
        "DELETE",
        VOLCANO_GROUP.path("a", "g"),
        False,
        ("delete", "podgroups"),
    ),
    "a lease": (
        "PUT",
        "/apis/coordination.k8s.io/v1/namespaces/a/leases/l",
        False,
        ("update", "leases"),
    ),
    "what is there at all": ("GET", "/apis", False, ("list", "discovery")),
}


@pytest.mark.parametrize("method, path, watch, want", REQUESTS.values(), ids=REQUESTS)
def test_labels(method, path, watch, want):
    assert label_request(method, path, watch=watch) == want
