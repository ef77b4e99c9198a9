"""Requests are counted by verb and resource, never by name."""

import pytest
from efficientnet_operator.kube.client import core_path, job_path, pod_group_path
from efficientnet_operator.kube.request_labels import label_request

REQUESTS = {
    "one pod": ("GET", core_path("pods", "a", "p"), False, ("get", "pods")),
    "pods of a namespace": ("GET", core_path("pods", "a"), False, ("list", "pods")),
    "pods of all namespaces": ("GET", core_path("pods", ""), False, ("list", "pods")),
    "a watch": ("GET", core_path("pods", "a"), True, ("watch", "pods")),
    "a node": ("GET", core_path("nodes", "", "n"), False, ("get", "nodes")),
    "a new event": ("POST", core_path("events", "a"), False, ("create", "events")),
    "a job's status": (
        "PATCH",
        job_path("a", "b0", "status"),
        False,
        ("patch", "efficientnetjobs/status"),
    ),
    "jobs everywhere": ("GET", job_path(""), False, ("list", "efficientnetjobs")),
    "a group on its way out": ("DELETE", pod_group_path("a", "g"), False, ("delete", "podgroups")),
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
