"""What the chart renders, over its values; test_chart_install.py installs it for real."""

import re
from pathlib import Path

import pytest
import yaml

CHART = Path(__file__).parents[2] / "charts/efficientnet-operator"
FULL = "efficientnet-operator"
CRD = ("CustomResourceDefinition", "efficientnetjobs.efficientnet.dev")
NODES = {("ClusterRole", f"{FULL}-nodes"), ("ClusterRoleBinding", f"{FULL}-nodes")}
FLAVORS = {("ClusterRole", f"{FULL}-flavors"), ("ClusterRoleBinding", f"{FULL}-flavors")}
CHIPS = {(kind, f"kube-system/{FULL}-chip-health") for kind in ("Role", "RoleBinding")}
PEOPLE = {("ClusterRole", f"{FULL}-view"), ("ClusterRole", f"{FULL}-edit")}
EVERYWHERE = {("ClusterRole", FULL), ("ClusterRoleBinding", FULL)}
ACCOUNT = {("ServiceAccount", FULL)}
RUNNING = {("Deployment", FULL), ("Service", FULL)}
LEASE = {(kind, f"enj-system/{FULL}-lease") for kind in ("Role", "RoleBinding")}
ALL = {CRD} | LEASE | NODES | CHIPS | PEOPLE | EVERYWHERE | ACCOUNT | RUNNING
IN_TWO = {(kind, f"{ns}/{FULL}") for kind in ("Role", "RoleBinding") for ns in ("a", "b")}
EXISTING = ("--set", "serviceAccount.create=false,serviceAccount.name=mine")
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

RENDERED = {
    "by default everything": ((), ALL),
    "without the CRD": (("--set", "crd.enabled=false"), ALL - {CRD}),
    "without node access": (("--set", "nodeAccess.enabled=false"), ALL - NODES),
    "without chip health": (("--set", "chipHealth.enabled=false"), ALL - CHIPS),
    "without roles for people": (("--set", "userRoles.enabled=false"), ALL - PEOPLE),
    "with Kueue": (("--set", "kueue.enabled=true"), ALL | FLAVORS),
    "with an account that exists": (EXISTING, ALL - ACCOUNT),
    "two namespaces get a Role each": (
        ("--set", "watchNamespaces={a,b}"),
        (ALL - EVERYWHERE) | IN_TWO,
    ),
    "all that a pod can be given": (ALL_POD_VALUES, ALL),
}


@pytest.mark.parametrize("options, want", RENDERED.values(), ids=RENDERED)
def test_values_decide_which_objects_there_are(helm, options, want):
    assert set(helm.render(*options)) == want


@pytest.mark.parametrize("options", [case[0] for case in RENDERED.values()], ids=RENDERED)
def test_helm_finds_no_fault(helm, options):
    helm("lint", "--strict", str(CHART), *options)


@pytest.mark.parametrize("options, want", RENDERED.values(), ids=RENDERED)
def test_every_object_has_the_form_that_the_server_publishes(helm, kubeconform, options, want):
    verdicts = kubeconform(yaml.safe_dump_all(helm.render(*options).values()))
    assert verdicts == ["Valid"] * len(want)


def test_kubeconform_sees_what_does_not_belong(helm, kubeconform):
    deployment = helm.render()["Deployment", FULL]
    deployment["spec"]["template"]["spec"]["containers"][0]["readOnlyRoot"] = True
    (verdict,) = kubeconform(yaml.safe_dump(deployment))
    assert "readOnlyRoot" in verdict


REFUSED = {
    "a word for a switch": ("nodeAccess.enabled=no", "'/nodeAccess/enabled': got string"),
    "one namespace without a list": ("watchNamespaces=a", "'/watchNamespaces': got string"),
    "a namespace that cannot be": (
        "watchNamespaces={A_b}",
        "'/watchNamespaces/0': 'A_b' does not",
    ),
    "no replica": ("replicas=0", "minimum: got 0, want 1"),
    "a misspelt value": ("image.repo=x", "'/image': additional properties 'repo' not allowed"),
    "a pull policy of its own": (
        "image.pullPolicy=Sometimes",
        "'/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'",
    ),
    "a digest that is a tag": ("image.digest=v1", "'/image/digest': 'v1' does not match"),
    "a log of another form": ("logFormat=xml", "value must be one of"),
    "no interval": ("progressIntervalSeconds=0", "minimum: got 0, want 1"),
    "no account at all": (
        "serviceAccount.create=false",
        "serviceAccount.create is false and serviceAccount.name is empty; name an existing",
    ),
}


@pytest.mark.parametrize("value, words", REFUSED.values(), ids=REFUSED)
def test_a_wrong_value_is_refused_by_name(helm, value, words):
    done = helm.run("template", "x", str(CHART), "--set", value)
    assert done.returncode != 0
    assert words in done.stderr


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


def test_all_that_a_pod_can_be_given_arrives(helm):
    objects = helm.render(*ALL_POD_VALUES)
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


def test_replicas_share_a_lease_beside_them(helm):
    spec = helm.render("--set", "replicas=3")["Deployment", FULL]["spec"]
    assert spec["replicas"] == 3
    (container,) = spec["template"]["spec"]["containers"]
    assert f"--lease=enj-system/{FULL}" in container["args"]


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


NAMES = {
    "the chart's name is not said twice": ("efficientnet-operator", (), FULL),
    "another release": ("blue", (), f"blue-{FULL}"),
    "a name of its own": ("blue", ("--set", "fullnameOverride=enj"), "enj"),
}


@pytest.mark.parametrize("release, options, want", NAMES.values(), ids=NAMES)
def test_objects_are_named_after_the_release(helm, release, options, want):
    objects = helm.render(*options, release=release)
    assert {("Deployment", want), ("ServiceAccount", want)} <= set(objects)
    assert objects["ClusterRoleBinding", want]["subjects"] == [
        {"kind": "ServiceAccount", "name": want, "namespace": "enj-system"}
    ]
    assert objects["Deployment", want]["spec"]["template"]["spec"]["serviceAccountName"] == want


def test_the_crd_is_the_generated_one_and_stays(helm):
    rendered = helm.render()[CRD]
    generated = yaml.safe_load((CHART / "files/efficientnetjobs.yaml").read_text())
    assert rendered["spec"] == generated["spec"]
    assert rendered["metadata"]["name"] == generated["metadata"]["name"]
    assert rendered["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_every_value_is_documented_and_has_a_type():
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    table = (CHART / "README.md").read_text().partition("## Values")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `([A-Za-z.]+)` \|", table, re.MULTILINE))
    typed = set(leaves(schema["properties"])) - {"global"}
    assert documented == typed
    assert {name.split(".")[0] for name in typed} == set(values)


def leaves(properties, prefix=""):
    """Yield the dotted paths of a schema's values; resources are core/v1's and stand as one."""
    for name, schema in properties.items():
        if "properties" in schema and name != "resources":
            yield from leaves(schema["properties"], f"{prefix}{name}.")
        else:
            yield prefix + name
