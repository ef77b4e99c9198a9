"""What the chart gives to the Prometheus Operator, where there is one."""

import pytest
import yaml
from efficientnet_operator.api.spec import EfficientNetJob
from efficientnet_operator.core.identity import JobRef
from efficientnet_operator.core.pods import PodBuilder

FULL = "efficientnet-operator"
GROUP = "monitoring.coreos.com/v1"
SERVED = tuple(f"--api-versions={GROUP}/{kind}" for kind in ("ServiceMonitor", "PodMonitor"))
SERVICE_MONITOR = ("ServiceMonitor", FULL)
POD_MONITOR = ("PodMonitor", f"{FULL}-trainers")
JOB = {
    "apiVersion": "efficientnet.dev/v1alpha1",
    "kind": "EfficientNetJob",
    "metadata": {"name": "b0"},
    "spec": {
        "npus": 1,
        "image": "trainer:1",
        "dataset": {"path": "/data"},
        "output": {"path": "/out"},
    },
}

MONITORS = {
    "without the Prometheus Operator there are none": ((), set()),
    "with it there are": (SERVED, {SERVICE_MONITOR, POD_MONITOR}),
    "with one API only that one": (SERVED[1:], {POD_MONITOR}),
    "one that is not wanted": (
        (*SERVED, "--set", "podMonitor.enabled=false"),
        {SERVICE_MONITOR},
    ),
    "one that is wanted whatever the cluster says": (
        ("--set", "serviceMonitor.enabled=true"),
        {SERVICE_MONITOR},
    ),
}


@pytest.mark.parametrize("options, want", MONITORS.values(), ids=MONITORS)
def test_monitors_are_where_somebody_reads_them(helm, kubeconform, options, want):
    objects = {k: o for k, o in helm.render(*options).items() if o["apiVersion"] == GROUP}
    assert set(objects) == want
    assert kubeconform(yaml.safe_dump_all(objects.values())) == ["Valid"] * len(want)


def test_kubeconform_sees_what_a_monitor_does_not_have(helm, kubeconform):
    monitor = helm.render(*SERVED)[POD_MONITOR]
    monitor["spec"]["podMetricsEndpoints"][0]["ports"] = "http"
    (verdict,) = kubeconform(yaml.safe_dump(monitor))
    assert "ports" in verdict


def test_the_operator_is_found_at_each_of_its_pods(helm):
    objects = helm.render(*SERVED)
    spec = objects[SERVICE_MONITOR]["spec"]
    service = objects["Service", FULL]
    assert spec["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = spec["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    # Else the label namespace of a job's series would be that of the operator.
    assert endpoint["honorLabels"] is True


def test_the_trainers_are_found_by_what_the_operator_writes(helm):
    job = EfficientNetJob.model_validate(JOB)
    pod = PodBuilder(JobRef("a", "b0", "u"), job.spec, 1).build(0)
    spec = helm.render(*SERVED)[POD_MONITOR]["spec"]
    labels = pod["metadata"]["labels"]
    (expression,) = spec["selector"]["matchExpressions"]
    assert expression == {"key": "efficientnet.dev/job-name", "operator": "Exists"}
    assert expression["key"] in labels
    (endpoint,) = spec["podMetricsEndpoints"]
    (container,) = pod["spec"]["containers"]
    assert endpoint["port"] in {port["name"] for port in container["ports"]}
    meta = {f"__meta_kubernetes_pod_label_{escape(k)}": v for k, v in labels.items()}
    meta["__meta_kubernetes_pod_node_name"] = "node0"
    series = {
        rule["targetLabel"]: meta[rule["sourceLabels"][0]] for rule in endpoint["relabelings"]
    }
    assert series == {"job_name": "b0", "attempt": "1", "node": "node0"}


def escape(label):
    """Return a label's name as Prometheus spells it."""
    return "".join(c if c.isalnum() else "_" for c in label)


NAMESPACES = {
    "all": ((), {"any": True}),
    "those that are watched": (("--set", "watchNamespaces={a,b}"), {"matchNames": ["a", "b"]}),
}


@pytest.mark.parametrize("options, want", NAMESPACES.values(), ids=NAMESPACES)
def test_trainers_are_looked_for_where_jobs_run(helm, options, want):
    assert helm.render(*SERVED, *options)[POD_MONITOR]["spec"]["namespaceSelector"] == want


def test_monitors_can_be_told_apart_and_slowed_down(helm):
    told = "labels.release=stack,podMonitor.interval=1m,serviceMonitor"
    objects = helm.render(*SERVED, "--set", f"serviceMonitor.{told}.interval=15s")
    assert objects[SERVICE_MONITOR]["metadata"]["labels"]["release"] == "stack"
    assert "release" not in objects[POD_MONITOR]["metadata"]["labels"]
    assert objects[SERVICE_MONITOR]["spec"]["endpoints"][0]["interval"] == "15s"
    assert objects[POD_MONITOR]["spec"]["podMetricsEndpoints"][0]["interval"] == "1m"
