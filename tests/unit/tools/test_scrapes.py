"""Which pods a Prometheus beside a local cluster scrapes, and under which labels."""

from monitoring_lab.scrapes import operator_targets, trainer_targets


def a_pod(name, labels, phase="Running", ip="10.0.0.1"):
    ports = [{"name": "rank-0", "containerPort": 2222}, {"name": "http", "containerPort": 8080}]
    containers = [{"name": "sidecar"}, {"name": "trainer", "ports": ports}]
    return {
        "metadata": {"namespace": "a", "name": name, "labels": labels},
        "spec": {
            "nodeName": "node0",
            "containers": containers,
        },
        "status": {"phase": phase, "podIP": ip},
    }


OPERATOR = a_pod("o", {"app.kubernetes.io/name": "efficientnet-operator"})
OF_JOB = {"efficientnet.dev/job-name": "b0", "efficientnet.dev/attempt": "2"}
PODS = [
    OPERATOR,
    a_pod("b0-2-0", OF_JOB),
    a_pod("b0-2-1", OF_JOB, phase="Pending"),
    a_pod("b0-2-2", OF_JOB, ip=None),
    a_pod("other", {}),
    {**a_pod("bare", {}), "metadata": {"namespace": "a", "name": "bare"}},
]


def test_the_operator_is_found_by_its_name():
    own = {"namespace": "a", "pod": "o"}
    assert operator_targets(PODS) == [{"targets": ["10.0.0.1:8080"], "labels": own}]


def test_trainers_that_run_have_the_labels_of_the_monitor():
    labels = {"namespace": "a", "pod": "b0-2-0", "job_name": "b0", "attempt": "2", "node": "node0"}
    assert trainer_targets(PODS) == [{"targets": ["10.0.0.1:8080"], "labels": labels}]
