"""Gangs: what each strategy builds, what it waits for, and what is said meanwhile."""

import pytest
from core_builders import JOB, UID, Cluster, a_job, a_running_job, a_spec, is_empty
from efficientnet_operator.core.gang import STRATEGIES, build_gang
from efficientnet_operator.core.gang.group_view import let_in, parse_group
from efficientnet_operator.core.gang.strategy import Attempt
from efficientnet_operator.core.pods import PodBuilder
from efficientnet_operator.core.resources import (
    COSCHEDULING_GROUP,
    NATIVE_GROUPS,
    POD_GROUPS,
    VOLCANO_GROUP,
    Resource,
    resource_of,
)
from efficientnet_operator.core.view import FORBIDDEN, NOT_SERVED, Refusal

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
V1BETA1, V1ALPHA2 = NATIVE_GROUPS
CPU_REQUEST = {"containers": [{"name": "trainer", "resources": {"requests": {"cpu": "1500m"}}}]}


def gang_of(kind, attempt=2, absent=(), **spec):
    scheduling = {"gang": kind, **spec.pop("scheduling", {})}
    parsed = a_spec(scheduling=scheduling, **spec)
    return build_gang(Attempt(JOB, parsed, attempt), dict.fromkeys(absent, NOT_SERVED))


SPECS = {
    "Native: a count, and disrupted only as a whole": (
        {"gang": "Native"},
        (),
        ("scheduling.k8s.io/v1beta1", {
            "schedulingPolicy": {"gang": {"minCount": 4}},
            "disruptionMode": {"all": {}},
        }),
    ),
    "Native of Kubernetes 1.36 says the same in its own form": (
        {"gang": "Native"},
        (V1BETA1,),
        ("scheduling.k8s.io/v1alpha2", {
            "schedulingPolicy": {"gang": {"minCount": 4}},
            "disruptionMode": "PodGroup",
        }),
    ),
    "Native: the members' priority is their group's": (
        {"gang": "Native", "priorityClassName": "high", "topologyKey": "example.com/rack"},
        (),
        ("scheduling.k8s.io/v1beta1", {
            "schedulingPolicy": {"gang": {"minCount": 4}},
            "disruptionMode": {"all": {}},
            "priorityClassName": "high",
            "schedulingConstraints": {"topology": [{"key": "example.com/rack"}]},
        }),
    ),
    "Volcano: what all pods ask for is known before there is one": (
        {"gang": "Volcano"},
        (),
        ("scheduling.volcano.sh/v1beta1", {
            "minMember": 4,
            "minResources": {"cpu": "6", "huawei.com/Ascend910": "4"},
        }),
    ),
    "Volcano: queue and priority": (
        {"gang": "Volcano", "queue": "research", "priorityClassName": "high"},
        (),
        ("scheduling.volcano.sh/v1beta1", {
            "minMember": 4,
            "minResources": {"cpu": "6", "huawei.com/Ascend910": "4"},
            "queue": "research",
            "priorityClassName": "high",
        }),
    ),
    "Coscheduling: and how long placed pods wait for the others": (
        {"gang": "Coscheduling", "queue": "volcanos-alone"},
        (),
        ("scheduling.x-k8s.io/v1alpha1", {
            "minMember": 4,
            "minResources": {"cpu": "6", "huawei.com/Ascend910": "4"},
            "scheduleTimeoutSeconds": 60,
        }),
    ),
}  # fmt: skip


@pytest.mark.parametrize("scheduling, absent, want", SPECS.values(), ids=SPECS)
def test_the_group_of_a_gang(scheduling, absent, want):
    template = {"spec": CPU_REQUEST}
    group = gang_of(
        scheduling["gang"], 2, absent, scheduling=scheduling, podTemplate=template
    ).group
    assert (group["apiVersion"], group["spec"]) == want
    assert group["kind"] == "PodGroup"
    assert group["metadata"]["name"] == "b0-2"
    assert group["metadata"]["labels"]["efficientnet.dev/attempt"] == "2"
    (owner,) = group["metadata"]["ownerReferences"]
    assert (owner["uid"], owner["controller"]) == (UID, True)


def test_a_gang_of_a_new_volcano_job_may_be_looked_at_as_if_it_were_admitted():
    gang = gang_of("Volcano")
    assert not gang.strategy.may_start(parse_group(resource_of(gang.group), gang.group))
    assert gang.strategy.may_start(let_in(gang.group))


def test_a_gang_that_asks_for_nothing_countable_says_so_by_silence():
    assert "minResources" not in gang_of("Volcano", accelerator="CPU").group["spec"]


MEMBERSHIPS = {
    "Native": (lambda pod: pod["spec"]["schedulingGroup"]["podGroupName"], None),
    "Volcano": (
        lambda pod: pod["metadata"]["annotations"]["scheduling.k8s.io/group-name"],
        "volcano",
    ),
    "Coscheduling": (lambda pod: pod["metadata"]["labels"]["scheduling.x-k8s.io/pod-group"], None),
}


@pytest.mark.parametrize("kind", MEMBERSHIPS)
@pytest.mark.parametrize("scheduler", [None, "my-scheduler"])
def test_each_pod_names_its_group_and_its_scheduler(kind, scheduler):
    group_of, default = MEMBERSHIPS[kind]
    scheduling = {"gang": kind, **({"schedulerName": scheduler} if scheduler else {})}
    patch = gang_of(kind, scheduling=scheduling).pod_patch
    pod = PodBuilder(JOB, a_spec(scheduling=scheduling), 2, patch=patch).build(0)
    assert group_of(pod) == "b0-2"
    assert pod["spec"].get("schedulerName") == (scheduler or default)
    assert pod["metadata"]["labels"]["efficientnet.dev/job-uid"] == UID


def terms_of(kind):
    scheduling = {"gang": kind, "npusPerHost": 2, "topologyKey": "example.com/rack"}
    gang = gang_of(kind, scheduling=scheduling)
    pod = PodBuilder(JOB, a_spec(scheduling=scheduling), 2, patch=gang.pod_patch).build(0)
    return {
        term["topologyKey"]: term["labelSelector"]
        for term in pod["spec"]["affinity"]["podAffinity"][REQUIRED]
    }


@pytest.mark.parametrize("kind", ["Volcano", "Coscheduling"])
def test_a_topology_key_holds_the_whole_attempt_in_one_domain(kind):
    own = {"efficientnet.dev/job-uid": UID, "efficientnet.dev/attempt": "2"}
    assert terms_of(kind)["example.com/rack"] == {"matchLabels": own}
    assert "kubernetes.io/hostname" in terms_of(kind)  # host groups stay as they are


@pytest.mark.parametrize("kind", ["None", "Native"])
def test_a_topology_key_is_no_affinity_where_the_gang_says_it_or_there_is_none(kind):
    assert set(terms_of(kind)) == {"kubernetes.io/hostname"}


def test_without_a_gang_nothing_is_added():
    gang = gang_of("None")
    assert gang.group is None
    plain = PodBuilder(JOB, a_spec(), 1).build(0)
    assert PodBuilder(JOB, a_spec(), 1, patch=gang.pod_patch).build(0) == plain


def test_where_objects_live_follows_from_what_they_are():
    paths = {r.path("ns", "b0-1") for r in POD_GROUPS}
    assert paths == {
        "/apis/scheduling.k8s.io/v1beta1/namespaces/ns/podgroups/b0-1",
        "/apis/scheduling.k8s.io/v1alpha2/namespaces/ns/podgroups/b0-1",
        "/apis/scheduling.volcano.sh/v1beta1/namespaces/ns/podgroups/b0-1",
        "/apis/scheduling.x-k8s.io/v1alpha1/namespaces/ns/podgroups/b0-1",
    }
    pod = Resource("v1", "Pod", "pods")
    assert (pod.path(), pod.full_name) == ("/api/v1/pods", "pods")
    assert pod.path("ns") == "/api/v1/namespaces/ns/pods"
    assert pod.path("ns", "p", "status") == "/api/v1/namespaces/ns/pods/p/status"
    assert VOLCANO_GROUP.full_name == "podgroups.scheduling.volcano.sh"
    for kind in ("Native", "Volcano", "Coscheduling"):
        assert resource_of(gang_of(kind).group) in STRATEGIES[kind].resources


def a_gang(kind="Native", **scheduling):
    return Cluster(a_job(4, scheduling={"gang": kind, "npusPerHost": 2, **scheduling}))


MISSING = {
    "Native": (NATIVE_GROUPS, "scheduling.k8s.io/v1beta1", "GenericWorkload=true"),
    "Volcano": ((VOLCANO_GROUP,), "scheduling.volcano.sh/v1beta1", "install Volcano"),
    "Coscheduling": ((COSCHEDULING_GROUP,), "scheduling.x-k8s.io/v1alpha1", "scheduler-plugins"),
}


@pytest.mark.parametrize("kind", MISSING)
def test_a_missing_api_is_told_with_the_way_out_and_found_when_it_comes(kind):
    resources, version, remedy = MISSING[kind]
    cluster = a_gang(kind)
    cluster.absent = dict.fromkeys(resources, NOT_SERVED)
    plan = cluster.turn()
    assert plan.pods == plan.creates == ()
    assert plan.requeue_s == 10
    assert cluster.condition("Created") == ("False", "GangApiMissing")
    assert remedy in STRATEGIES[kind].remedy
    assert cluster.message("Created") == (
        f"spec.scheduling.gang {kind} needs podgroups of {version}, which is not served here: "
        f"{STRATEGIES[kind].remedy}; it is looked for each minute"
    )
    assert [e.reason for e in plan.events] == ["GangApiMissing"]
    assert is_empty(cluster.turn(10))
    cluster.absent = {}
    assert [c["kind"] for c in cluster.turn(10).creates] == ["ConfigMap", "PodGroup"]


def test_an_api_that_may_not_be_read_is_told_apart():
    cluster = a_gang("Volcano")
    cluster.absent = {VOLCANO_GROUP: FORBIDDEN}
    cluster.turn()
    assert cluster.condition("Created") == ("False", "GangApiForbidden")
    assert cluster.message("Created") == (
        "spec.scheduling.gang Volcano needs podgroups of scheduling.volcano.sh/v1beta1, which the "
        "operator may not list: grant it (deploy/rbac/operator-role.yaml); it is looked for each "
        "minute"
    )


def test_other_gangs_apis_are_not_missed():
    cluster = a_gang("None")
    cluster.absent = dict.fromkeys(POD_GROUPS, NOT_SERVED)
    cluster.run()
    cluster = a_gang("Native")
    cluster.absent = {V1ALPHA2: NOT_SERVED, VOLCANO_GROUP: NOT_SERVED}
    cluster.run()


def test_a_job_that_runs_does_not_mind_that_its_gangs_api_goes():
    cluster = a_gang()
    cluster.run()
    cluster.groups.clear()
    cluster.absent = dict.fromkeys(NATIVE_GROUPS, NOT_SERVED)
    assert is_empty(cluster.turn())


def says(phase="", **conditions):
    return {
        "phase": phase,
        "conditions": [
            {"type": kind, "status": status, "message": message}
            for kind, (status, message) in conditions.items()
        ],
    }


def test_volcanos_pods_come_when_it_admits_their_group():
    cluster = a_gang("Volcano")
    plan = cluster.turn()
    assert [c["kind"] for c in plan.creates] == ["ConfigMap", "PodGroup"]
    assert plan.pods == ()
    cluster.turn()
    assert cluster.condition("Created") == ("False", "WaitingForGang")
    told = "no pod is created before its scheduler admits PodGroup b0-1"
    assert cluster.message("Created") == told
    assert cluster.message("Scheduled") == "nothing was heard of PodGroup b0-1 yet"
    cluster.groups["b0-1"]["status"] = says("Pending", Unschedulable=("True", "queue is full"))
    plan = cluster.turn(50)
    assert plan.pods == ()
    assert cluster.condition("Scheduled") == ("False", "Unschedulable")
    assert cluster.message("Scheduled") == "Volcano's PodGroup b0-1 is Pending: queue is full"
    assert "attemptStartTime" not in cluster.status  # time in the queue is nobody's fault
    cluster.groups["b0-1"]["status"] = says("Inqueue")
    assert len(cluster.turn(50).pods) == 4
    cluster.run()
    assert cluster.status["attemptStartTime"] == "2026-01-01T12:01:40.000000Z"


def test_pods_that_stand_stay_when_volcano_puts_their_group_back():
    cluster = a_gang("Volcano")
    cluster.turn()
    cluster.groups["b0-1"]["status"] = says("Inqueue")
    cluster.settle()
    cluster.groups["b0-1"]["status"] = says("Pending", Unschedulable=("True", "4/4 tasks"))
    plan = cluster.turn()
    assert plan.deletes == ()
    assert "Volcano's PodGroup b0-1 is Pending: 4/4 tasks" in cluster.message("Scheduled")


WORDS = {
    "Native": (
        says(PodGroupInitiallyScheduled=("False", "minCount (4) cannot be satisfied")),
        "minCount (4) cannot be satisfied",
    ),
    "Volcano": (
        says("Inqueue", Unschedulable=("True", "2/4 tasks in gang unschedulable")),
        "Volcano's PodGroup b0-1 is Inqueue: 2/4 tasks in gang unschedulable",
    ),
    "Coscheduling": (says("Scheduling"), "b0-1-0: quorum not reached"),
}


@pytest.mark.parametrize("kind", WORDS)
def test_why_a_gang_does_not_start_is_said_by_its_scheduler(kind):
    status, words = WORDS[kind]
    cluster = a_gang(kind)
    cluster.turn()
    cluster.groups["b0-1"]["status"] = says("Inqueue")
    cluster.settle()
    cluster.groups["b0-1"]["status"] = status
    cluster.change("b0-1-0", unschedulable="quorum not reached")
    cluster.settle()
    assert cluster.condition("Scheduled") == ("False", "Unschedulable")
    assert cluster.message("Scheduled") == f"4 of 4 pods have no node (4 NPUs missing): {words}"


def test_a_group_that_was_placed_once_has_no_more_to_say():
    cluster = a_gang()
    cluster.settle()
    cluster.groups["b0-1"]["status"] = says(PodGroupInitiallyScheduled=("True", "placed"))
    cluster.settle()
    assert cluster.condition("Scheduled") == ("False", "Pending")


def test_of_several_conditions_of_a_type_the_newest_speaks():
    old, new = (
        {"type": "Unschedulable", "status": "True", "message": m, "lastTransitionTime": t}
        for m, t in (("old", "2026-01-01T00:00:00Z"), ("new", "2026-01-01T00:00:01Z"))
    )
    for conditions in ([old, new], [new, old]):
        group = parse_group(VOLCANO_GROUP, {"status": {"conditions": conditions}})
        assert group.newest("Unschedulable", "True") == "new"


@pytest.mark.parametrize(
    "group",
    [
        {},
        {"metadata": {}, "spec": [], "status": "x"},
        {"status": {"phase": 3, "conditions": {"a": 1}}},
        {"status": {"conditions": [None, 7, {"type": None, "lastTransitionTime": "soon"}]}},
    ],
)
def test_a_group_of_any_shape_can_be_read(group):
    assert parse_group(VOLCANO_GROUP, group).newest("Unschedulable", "True") == ""


def test_a_constraint_that_the_api_server_dropped_names_its_gate_and_is_tried_anew():
    cluster = a_gang(topologyKey="example.com/rack")
    assert cluster.turn().pods == ()
    del cluster.groups["b0-1"]["spec"]["schedulingConstraints"]
    plan = cluster.turn(1)
    assert plan.pods == plan.deletes == ()
    assert cluster.condition("Created") == ("False", "TopologyGateOff")
    assert "TopologyAwareWorkloadScheduling" in cluster.message("Created")
    assert is_empty(cluster.turn(30))
    assert [d.name for d in cluster.turn(30).deletes] == ["b0-1"]
    assert [c["kind"] for c in cluster.turn().creates] == ["PodGroup"]
    assert len(cluster.turn().pods) == 4  # this one was stored whole


def test_a_constraint_that_the_api_server_refuses_names_its_gate():
    cluster = a_gang(topologyKey="example.com/rack")
    words = "PodGroup b0-1 was not created: spec.schedulingConstraints: Forbidden"
    cluster.refusals = {"b0-1": Refusal("PodGroupInvalid", words)}
    cluster.turn()
    assert cluster.condition("Created") == ("False", "PodGroupInvalid")
    assert "TopologyAwareWorkloadScheduling" in cluster.message("Created")
    cluster.refusals = {"b0-1": Refusal("PodGroupInvalid", "spec.minCount: wrong")}
    cluster.turn()
    assert cluster.message("Created") == "spec.minCount: wrong"


def test_a_resumed_gang_gets_a_group_of_its_own():
    cluster = a_gang()
    cluster.run()
    cluster.job["spec"]["runPolicy"] = {"suspend": True}
    assert "b0-1" in [d.name for d in cluster.turn().deletes]
    cluster.collect()
    cluster.job["spec"]["runPolicy"] = {"suspend": False}
    assert [c["kind"] for c in cluster.turn().creates] == ["PodGroup"]


def test_a_group_on_its_way_out_is_waited_for():
    cluster = a_gang()
    cluster.turn()
    cluster.pods.clear()
    cluster.groups["b0-1"]["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    plan = cluster.turn()
    assert plan.pods == plan.creates == ()
    assert cluster.condition("Created") == ("False", "WaitingForPods")
    assert cluster.message("Created") == "PodGroup b0-1 that was given back still exists"


def test_a_finished_job_gives_its_group_back_when_no_pod_runs():
    cluster = a_running_job(activeDeadlineSeconds=5)
    cluster.job["spec"]["scheduling"]["gang"] = "Native"
    cluster.groups["b0-1"] = gang_of("Native", 1).group
    cluster.groups["b0-1"]["metadata"]["uid"] = "g"
    plan = cluster.turn(10)
    assert cluster.condition("Failed") == ("True", "DeadlineExceeded")
    assert {d.resource.kind for d in plan.deletes} == {"Pod"}
    cluster.collect()
    assert [(d.resource, d.uid) for d in cluster.turn().deletes] == [(V1BETA1, "g")]
    assert is_empty(cluster.turn())
