"""The operator's rights are those that its calls need: none is missing, none is left over.

The table below says what each call to the API server does. A call that is new
in the source, or gone from it, makes the first test fail; a right that no call
needs, or that one lacks, the second.
"""

import ast
from pathlib import Path

import pytest
from efficientnet_operator.core.identity import JobRef, child_metadata
from efficientnet_operator.core.resources import POD_GROUPS

SOURCE = Path(__file__).parents[2] / "operator/src/efficientnet_operator"
FULL = "efficientnet-operator"
METHODS = {"get", "create", "merge_patch", "apply", "delete", "request"}
METHODS |= {"list_all", "watch"}
# The client itself, and what people do with their own rights: `explain`, the SDK, `kubectl enj`.
NOT_THE_OPERATOR = {"client.py", "inspecting.py", "sdk", "enj"}
GROUPS = tuple(sorted({r.group for r in POD_GROUPS}))
CHILDREN = ("/pods", "/configmaps", *(f"{group}/podgroups" for group in GROUPS))
JOBS = "efficientnet.dev/efficientnetjobs"
WORKLOADS = "kueue.x-k8s.io/workloads"
FLAVORS = {(verb, "kueue.x-k8s.io/resourceflavors") for verb in ("list", "watch")}
LEASES = "coordination.k8s.io/leases"

CALLS = {
    ("kube/cache.py", "follow", "list_all"): {("list", kind) for kind in CHILDREN},
    ("kube/cache.py", "_watch", "watch"): {("watch", kind) for kind in CHILDREN},
    ("kube/controller.py", "_list_jobs", "list_all"): {("list", JOBS)},
    ("kube/controller.py", "_select_jobs", "get"): {("list", JOBS)},
    ("kube/missed.py", "find_pods", "get"): {("get", "/pods")},
    ("kube/missed.py", "find_pods", "list_all"): {("list", "/pods")},
    ("kube/execute.py", "_apply_status", "apply"): {("patch", f"{JOBS}/status")},
    ("kube/execute.py", "_create", "create"): {("create", kind) for kind in CHILDREN},
    ("kube/execute.py", "_resolve_conflict", "get"): {("get", kind) for kind in CHILDREN},
    ("kube/execute.py", "_patch", "merge_patch"): {("patch", "/pods"), ("patch", "/configmaps")},
    ("kube/execute.py", "_delete", "delete"): {("delete", kind) for kind in CHILDREN},
    ("kube/execute.py", "_delete_job", "delete"): {("delete", JOBS)},
    ("kube/execute.py", "_tell", "create"): {("create", "/events")},
    ("kube/execute.py", "_report", "merge_patch"): set(),  # Kueue's, below
    ("kube/node_cache.py", "_list", "list_all"): {("list", "/nodes"), ("list", "/configmaps")},
    ("kube/node_cache.py", "_watch", "watch"): {("watch", "/nodes"), ("watch", "/configmaps")},
    ("ui/gate.py", "find_obstacle", "create"): set(),  # reviews of the status page, below
    ("kube/lease.py", "_read", "get"): {("get", LEASES)},
    ("kube/lease.py", "_take", "create"): {("create", LEASES)},
    ("kube/lease.py", "_replace", "request"): {("update", LEASES)},
}
VERBS = ("list", "watch", "get", "create", "patch", "delete")
KUEUE = {(verb, WORKLOADS) for verb in VERBS} | {("patch", f"{WORKLOADS}/status")}
"""With Kueue its Workloads are children like the others, and it is told how jobs stand."""
KOPF = {("list", JOBS), ("watch", JOBS)}
OWNER_REFERENCES = {("update", f"{JOBS}/finalizers")}
REVIEWS = {
    ("create", "authentication.k8s.io/tokenreviews"),
    ("create", "authorization.k8s.io/subjectaccessreviews"),
}
NODES = {("list", "/nodes"), ("watch", "/nodes")}
CHIPS = {("list", "/configmaps"), ("watch", "/configmaps")}
WANTED = set().union(*CALLS.values()) | KOPF | OWNER_REFERENCES


def find_calls():
    """Yield (file, function, method) of each call of a client's method outside the client."""
    for path in SOURCE.rglob("*.py"):
        if NOT_THE_OPERATOR & set(path.relative_to(SOURCE).parts):
            continue
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for call in ast.walk(function):
                if is_client_call(call):
                    file = path.relative_to(SOURCE).as_posix()
                    yield file, function.name, call.func.attr


def is_client_call(node):
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    receiver = ast.unparse(node.func.value)
    return node.func.attr in METHODS and receiver in {"client", "self._client"}


def test_every_call_of_the_operator_is_in_the_table():
    assert set(find_calls()) == set(CALLS)


def test_owner_references_block_deletion_which_needs_a_right():
    (owner,) = child_metadata(JobRef("default", "b0", "u"), 1, "b0-1-0")["ownerReferences"]
    assert owner["blockOwnerDeletion"] is True


OWN = {(verb, LEASES) for verb in ("get", "create", "update")}
BESIDE = {f"Role/enj-system/{FULL}-lease": OWN}
IN_KUBE_SYSTEM = {f"Role/kube-system/{FULL}-chip-health": CHIPS}
OF_JOBS = WANTED - NODES - OWN
EVERYWHERE = {f"ClusterRole/{FULL}": OF_JOBS} | BESIDE
GRANTED = {
    "all namespaces, and Kueue": (
        ("--set", "kueue.enabled=true,nodeAccess.enabled=false"),
        {f"ClusterRole/{FULL}": OF_JOBS | KUEUE, f"ClusterRole/{FULL}-flavors": FLAVORS} | BESIDE,
    ),
    "all namespaces": ((), EVERYWHERE | {f"ClusterRole/{FULL}-nodes": NODES}),
    "all namespaces, and the status page for tokens": (
        ("--set", "ui.access=token,nodeAccess.enabled=false"),
        EVERYWHERE | {f"ClusterRole/{FULL}-reviews": REVIEWS},
    ),
    "all namespaces, and the status page for port-forward": (
        ("--set", "ui.access=port-forward,nodeAccess.enabled=false"),
        EVERYWHERE,
    ),
    "all namespaces, but no nodes": (("--set", "nodeAccess.enabled=false"), EVERYWHERE),
    "two namespaces": (
        ("--set", "watchNamespaces={a,b}"),
        BESIDE
        | IN_KUBE_SYSTEM
        | {
            f"Role/a/{FULL}": OF_JOBS,
            f"Role/b/{FULL}": OF_JOBS,
            f"ClusterRole/{FULL}-nodes": NODES,
        },
    ),
}


@pytest.mark.parametrize("options, want", GRANTED.values(), ids=GRANTED)
def test_the_operator_is_granted_what_it_calls_and_no_more(helm, options, want):
    objects = helm.render(*options)
    granted = {}
    for (kind, name), binding in objects.items():
        if not kind.endswith("Binding"):
            continue
        role = kind.removesuffix("Binding")
        assert binding["roleRef"]["kind"] == role
        assert binding["roleRef"]["name"] == name.rpartition("/")[2]
        assert [s["name"] for s in binding["subjects"]] == [FULL]
        granted[f"{role}/{name}"] = rights(objects[role, name])
    assert granted == want


def rights(role):
    found = [
        (verb, f"{group}/{resource}")
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]
    assert len(found) == len(set(found)), "a right is granted twice"
    assert not any(rule.keys() - {"apiGroups", "resources", "verbs"} for rule in role["rules"])
    return set(found)


READ = {(verb, kind) for verb in ("get", "list", "watch") for kind in (JOBS, f"{JOBS}/status")}
WRITE = {(verb, JOBS) for verb in ("create", "update", "patch", "delete", "deletecollection")}
PEOPLE = {"view": (READ, {"view", "edit", "admin"}), "edit": (WRITE, {"edit", "admin"})}


@pytest.mark.parametrize("name", PEOPLE)
def test_people_get_the_jobs_with_the_roles_they_have(helm, name):
    want, roles = PEOPLE[name]
    role = helm.render()["ClusterRole", f"{FULL}-{name}"]
    assert rights(role) == want
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    labels = role["metadata"]["labels"]
    assert {k.removeprefix(prefix) for k in labels if k.startswith(prefix)} == roles
