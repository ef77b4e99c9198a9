"""What the operator's pod is given, over the chart's values; and the pod of `helm test`."""

import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

FULL = "efficientnet-operator"
ALL_POD_VALUES = (
    "--set-json",
    'tolerations=[{"operator":"Exists"}]',
    "--set-json",
    'affinity={"nodeAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[]}}',
    "--set",
    "nodeSelector.a=b,podLabels.c=d,podAnnotations.e=f,priorityClassName=high",
    "--set",
    "imagePullSecrets={one,two}",
    "--set",
    "serviceAccount.annotations.g=h,resources.limits.cpu=1",
)

IMAGES = {
    "the chart's own version": ((), "efficientnet-operator:0.1.0"),
    "repository and tag": (
        ("--set", "image.repository=r.example:5000/op,image.tag=dev"),
        "r.example:5000/op:dev",
    ),
    "a digest wins": (
        ("--set", f"image.tag=dev,image.digest=sha256:{'0' * 64}"),
        f"efficientnet-operator@sha256:{'0' * 64}",
    ),
}


@pytest.mark.parametrize("options, want", IMAGES.values(), ids=IMAGES)
def test_the_image_is_named(helm, options, want):
    assert container(helm.render(*options))["image"] == want


ARGS = [
    "run",
    "--port=8080",
    "--log-format=json",
    "--job-series=500",
    f"--lease=enj-system/{FULL}",
    "--progress-interval=5",
]
COMMANDS = {
    "by default all namespaces": ((), ARGS),
    "each watched namespace": (
        ("--set", "watchNamespaces={a,b}"),
        [*ARGS, "--namespace=a", "--namespace=b"],
    ),
    "without chip health": (
        ("--set", "chipHealth.enabled=false"),
        [*ARGS, "--no-chip-health"],
    ),
    "another interval": (
        ("--set", "progressIntervalSeconds=30"),
        [*ARGS[:-1], "--progress-interval=30"],
    ),
    "some jobs only": (
        ("--set-string", "selector=team in (vision\\,speech)"),
        [*ARGS, "--selector=team in (vision,speech)"],
    ),
    "the status page": (("--set", "ui.access=port-forward"), [*ARGS, "--ui=port-forward"]),
    "another log, fewer series": (
        ("--set", "logFormat=text,jobSeries=0"),
        [*ARGS[:2], "--log-format=text", "--job-series=0", *ARGS[4:]],
    ),
}


@pytest.mark.parametrize("options, want", COMMANDS.values(), ids=COMMANDS)
def test_values_reach_the_command_line(helm, options, want):
    assert container(helm.render(*options))["args"] == want


def container(objects):
    return objects["Deployment", FULL]["spec"]["template"]["spec"]["containers"][0]


def test_all_that_a_pod_can_be_given_arrives(helm, kubeconform):
    objects = helm.render(*ALL_POD_VALUES)
    assert set(kubeconform(yaml.safe_dump_all(objects.values()))) == {"Valid"}
    template = objects["Deployment", FULL]["spec"]["template"]
    pod = template["spec"]
    assert template["metadata"]["labels"]["c"] == "d"
    assert template["metadata"]["annotations"] == {"e": "f"}
    assert pod["nodeSelector"] == {"a": "b"}
    assert pod["tolerations"] == [{"operator": "Exists"}]
    assert "nodeAffinity" in pod["affinity"]
    assert pod["priorityClassName"] == "high"
    assert pod["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}]
    assert pod["containers"][0]["resources"]["limits"] == {"cpu": 1, "memory": "256Mi"}
    assert objects["ServiceAccount", FULL]["metadata"]["annotations"] == {"g": "h"}


EXTRAS = (
    ("extraArgs", ["--verbose"], lambda pod: pod["containers"][0]["args"][-1:]),
    ("extraEnv", [{"name": "A", "value": "b"}], lambda pod: pod["containers"][0]["env"]),
    ("extraEnvFrom", [{"secretRef": {"name": "s"}}], lambda pod: pod["containers"][0]["envFrom"]),
    (
        "extraVolumes",
        [{"name": "ca", "configMap": {"name": "ca"}}],
        lambda pod: pod["volumes"][1:],
    ),
    (
        "extraVolumeMounts",
        [{"name": "ca", "mountPath": "/ca"}],
        lambda pod: pod["containers"][0]["volumeMounts"][1:],
    ),
    ("extraContainers", [{"name": "proxy", "image": "p"}], lambda pod: pod["containers"][1:]),
    ("podSecurityContext", {"runAsNonRoot": True}, lambda pod: pod["securityContext"]),
    (
        "topologySpreadConstraints",
        [{"maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}],
        lambda pod: pod["topologySpreadConstraints"],
    ),
)


def test_extras_are_added_to_what_the_chart_has(helm, tmp_path, kubeconform):
    values = {name: value for name, value, _ in EXTRAS}
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    deployment = helm.render("--values", str(tmp_path / "values.yaml"))["Deployment", FULL]
    assert kubeconform(yaml.safe_dump(deployment)) == ["Valid"]
    pod = deployment["spec"]["template"]["spec"]
    found = {name: read(pod) for name, _, read in EXTRAS}
    # A map of values is merged into the default one.
    found["podSecurityContext"] = {"runAsNonRoot": pod["securityContext"]["runAsNonRoot"]}
    assert found == values


def test_two_replicas_share_a_lease_and_keep_apart(helm):
    objects = helm.render()
    spec = objects["Deployment", FULL]["spec"]
    labels = spec["selector"]["matchLabels"]
    assert spec["replicas"] == 2
    assert f"--lease=enj-system/{FULL}" in container(objects)["args"]
    spread = spec["template"]["spec"]["topologySpreadConstraints"]
    keys = [s["topologyKey"] for s in spread]
    assert keys == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    assert all(s["labelSelector"]["matchLabels"] == labels for s in spread)
    budget = objects["PodDisruptionBudget", FULL]["spec"]
    assert (budget["maxUnavailable"], budget["selector"]["matchLabels"]) == (1, labels)


def test_the_test_asks_the_service_and_is_not_behind_it(helm):
    objects = helm.render(release="blue")
    pod = objects["Pod", f"blue-{FULL}-test"]
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    url = pod["spec"]["containers"][0]["command"][-1]
    assert url == "http://$(BLUE_EFFICIENTNET_OPERATOR_SERVICE_HOST):8080/readyz"
    selector = objects["Service", f"blue-{FULL}"]["spec"]["selector"]
    assert not selector.items() <= pod["metadata"]["labels"].items()


def test_the_service_and_the_probes_find_the_operator(helm):
    objects = helm.render()
    template = objects["Deployment", FULL]["spec"]["template"]
    selector = objects["Service", FULL]["spec"]["selector"]
    assert selector.items() <= template["metadata"]["labels"].items()
    assert objects["Deployment", FULL]["spec"]["selector"]["matchLabels"] == selector
    (port,) = container(objects)["ports"]
    assert port == {"name": "http", "containerPort": 8080}
    probes = [container(objects)[f"{kind}Probe"]["httpGet"] for kind in ("liveness", "readiness")]
    assert probes == [
        {"path": "/healthz", "port": "http"},
        {"path": "/readyz", "port": "http"},
    ]
    (service_port,) = objects["Service", FULL]["spec"]["ports"]
    assert (service_port["port"], service_port["targetPort"]) == (8080, "http")


ANSWERS = {
    "an operator that is ready": (200, b"ok", 0, "ok"),
    "one that is not": (503, b"caches are not filled: pods", 1, "caches are not filled: pods"),
}


@pytest.mark.parametrize("status, body, code, words", ANSWERS.values(), ids=ANSWERS)
def test_the_test_says_what_the_operator_answers(helm, status, body, code, words):
    (container,) = helm.render()["Pod", f"{FULL}-test"]["spec"]["containers"]
    with answering(status, body) as address:
        url = re.sub(r"\$\(\w+\):8080", address, container["command"][-1])
        command = [sys.executable, *container["command"][1:-1], url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == code
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@contextmanager
def answering(status, body):
    """Answer every request in the same way; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
