"""What the chart renders, over its values; test_chart_install.py installs it for real."""

import re
import subprocess
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
BUDGET = {("PodDisruptionBudget", FULL)}
HELM_TEST = {("Pod", f"{FULL}-test")}
LEASE = {(kind, f"enj-system/{FULL}-lease") for kind in ("Role", "RoleBinding")}
ALL = {CRD} | LEASE | NODES | PEOPLE | EVERYWHERE | ACCOUNT | RUNNING | BUDGET | HELM_TEST
POLICIES = {("NetworkPolicy", f"{ns}/{FULL}-trainers") for ns in "ab"}
POLICIES |= {("NetworkPolicy", f"enj-system/{FULL}")}
IN_TWO = {(kind, f"{ns}/{FULL}") for kind in ("Role", "RoleBinding") for ns in ("a", "b")}
EXISTING = ("--set", "serviceAccount.create=false,serviceAccount.name=mine")

REVIEWS = {(kind, f"{FULL}-reviews") for kind in ("ClusterRole", "ClusterRoleBinding")}

RENDERED = {
    "by default everything": ((), ALL),
    "without the CRD": (("--set", "crd.enabled=false"), ALL - {CRD}),
    "without node access": (("--set", "nodeAccess.enabled=false"), ALL - NODES),
    "without roles for people": (("--set", "userRoles.enabled=false"), ALL - PEOPLE),
    "with Kueue": (("--set", "kueue.enabled=true"), ALL | FLAVORS),
    "with the status page for tokens": (("--set", "ui.access=token"), ALL | REVIEWS),
    "with an account that exists": (EXISTING, ALL - ACCOUNT),
    "one replica has no budget": (("--set", "replicas=1"), ALL - BUDGET),
    "without a budget": (("--set", "podDisruptionBudget.enabled=false"), ALL - BUDGET),
    "a policy for the trainers of each namespace": (
        ("--set", "networkPolicy.enabled=true,networkPolicy.jobNamespaces={a,b}"),
        ALL | POLICIES,
    ),
    "two namespaces get a Role each": (
        ("--set", "watchNamespaces={a,b}"),
        (ALL - EVERYWHERE) | IN_TWO | CHIPS,
    ),
    "two namespaces, without chip health": (
        ("--set", "watchNamespaces={a,b},chipHealth.enabled=false"),
        (ALL - EVERYWHERE) | IN_TWO,
    ),
    "one namespace is that of the chips' reports": (
        ("--set", "watchNamespaces={kube-system}"),
        (ALL - EVERYWHERE) | {(kind, f"kube-system/{FULL}") for kind in ("Role", "RoleBinding")},
    ),
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
    "a pull secret as an object": (
        "imagePullSecrets[0].name=x",
        "'/imagePullSecrets/0': got object, want string",
    ),
    "a repository with a tag": (
        "image.repository=r.example:5000/op:dev",
        'image.repository is "r.example:5000/op:dev", which names a tag or a digest; put',
    ),
    "a label of the chart's own": (
        "podLabels.app\\.kubernetes\\.io/name=x",
        "podLabels sets app.kubernetes.io/name, a label that the chart sets itself; choose",
    ),
    "a flag that a value sets": (
        "extraArgs={--namespace=a}",
        "extraArgs has --namespace, which the chart sets itself; set watchNamespaces instead",
    ),
    "a flag that the chart needs": (
        "extraArgs={--port=1}",
        "extraArgs has --port, which the chart sets itself; leave it out",
    ),
    "a variable without a name": (
        "extraEnv[0].value=x",
        "'/extraEnv/0': missing property 'name'",
    ),
    "policies for nobody knows where": (
        "networkPolicy.enabled=true",
        "networkPolicy.enabled is true, but policies belong to namespaces and the operator looks",
    ),
    "a word for a monitor": (
        "serviceMonitor.enabled=maybe",
        "'/serviceMonitor/enabled': value must be one of true, false, 'auto'",
    ),
    "an interval without a unit": (
        "podMonitor.interval=30 seconds",
        "'/podMonitor/interval': '30 seconds' does not match",
    ),
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


def test_every_object_bears_the_common_labels_and_annotations(helm):
    objects = helm.render("--set", "commonLabels.team=vision,commonAnnotations.mail=a@b")
    for key, document in objects.items():
        metadata = document["metadata"]
        assert metadata["labels"]["team"] == "vision", key
        assert metadata["annotations"]["mail"] == "a@b", key
    template = objects["Deployment", FULL]["spec"]["template"]["metadata"]
    assert (template["labels"]["team"], template["annotations"]["mail"]) == ("vision", "a@b")
    assert "team" not in objects["Service", FULL]["spec"]["selector"]


def test_the_crd_is_the_generated_one_and_stays(helm):
    rendered = helm.render()[CRD]
    generated = yaml.safe_load((CHART / "files/efficientnetjobs.yaml").read_text())
    assert rendered["spec"] == generated["spec"]
    assert rendered["metadata"]["name"] == generated["metadata"]["name"]
    assert rendered["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_the_page_is_made_of_the_comments_in_the_values(helm_docs):
    options = ("--sort-values-order", "file", "--dry-run")
    command = [helm_docs, "--chart-search-root", CHART, *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    stored = (CHART / "README.md").read_text()
    assert done.stdout.strip() == stored.strip(), "run `make generate` and commit what it writes"


def test_every_value_is_documented_and_has_a_type():
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    table = (CHART / "README.md").read_text().partition("## Values")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `([A-Za-z.]+)` \| .+ \| .{10,} \|$", table, re.MULTILINE))
    assert documented == set(leaves(schema["properties"])) - {"global"}


def leaves(properties, prefix=""):
    """Yield the dotted paths of a schema's values; resources are core/v1's and stand as one."""
    for name, schema in properties.items():
        if "properties" in schema and name != "resources":
            yield from leaves(schema["properties"], f"{prefix}{name}.")
        else:
            yield prefix + name
