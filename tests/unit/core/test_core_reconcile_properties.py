"""What holds for a job whatever its pods do: never an exception, never a pod too many."""

import json
from dataclasses import replace
from datetime import timedelta

from core_builders import (
    JOB,
    T0,
    Cluster,
    a_job,
    a_pod,
    a_report,
    an_end,
    devices_annotation,
    is_empty,
)
from efficientnet_operator.api.status import EfficientNetJobStatus
from efficientnet_operator.core.chip_health import ChipFault, ChipReport
from efficientnet_operator.core.nodes import NodeLoss
from efficientnet_operator.core.reconcile import reconcile
from efficientnet_operator.core.view import Refusal
from hypothesis import given, settings
from hypothesis import strategies as st

MOMENTS = st.none() | st.integers(-100, 100).map(lambda s: T0 + timedelta(seconds=s))
ENDS = st.none() | st.builds(
    lambda end, moment: replace(end, finished_at=moment),
    st.builds(an_end, st.sampled_from([0, 1, 2, 3, 75, 137, 143]), rank=st.integers(-1, 9)),
    MOMENTS,
)
ANNOTATIONS = st.sampled_from(
    [
        {},
        devices_annotation("10.0.0.1", (0, "192.168.0.1")),
        devices_annotation("10.0.0.1", (1, "192.168.1.1")),
        devices_annotation("10.0.0.2", (0, "-1")),
        {"ascend.kubectl.kubernetes.io/ascend-910-configuration": "[" * 2000},
        {"efficientnet.dev/rank-table": "0", "efficientnet.dev/nudge": "x"},
    ]
)
PODS = st.builds(
    a_pod,
    st.integers(0, 5),
    st.integers(0, 3),
    job=st.sampled_from([JOB, replace(JOB, uid="older")]),
    owner_uid=st.sampled_from([None, "", "somebody"]),
    host_group=st.sampled_from([0, 1]),
    annotations=ANNOTATIONS,
    node=st.sampled_from(["", "n1", "n2"]),
    pod_ip=st.sampled_from(["", "10.1.0.1"]),
    host_ip=st.sampled_from(["", "10.0.0.1"]),
    phase=st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Unknown"]),
    ready=st.booleans(),
    started=st.booleans(),
    deleting=st.booleans(),
    unschedulable=st.sampled_from(["", "no room"]),
    unschedulable_since=MOMENTS,
    bound_since=MOMENTS,
    disrupted=st.sampled_from(["", "Evicted"]),
    waiting=st.sampled_from(["", "ErrImagePull"]),
    termination=ENDS,
)
JOBS = st.builds(
    a_job,
    st.sampled_from([2, 4]),
    accelerator=st.sampled_from(["CPU", "Ascend910"]),
    runPolicy=st.fixed_dictionaries(
        {"suspend": st.booleans(), "backoffLimit": st.integers(0, 2)},
        optional={
            "activeDeadlineSeconds": st.integers(1, 120),
            "pendingDeadlineSeconds": st.integers(1, 120),
            "progressDeadlineSeconds": st.integers(1, 120),
            "ttlSecondsAfterFinished": st.integers(0, 120),
            "failurePolicy": st.sampled_from(["FailJob", "Restart", "RestartUncharged"]).map(
                lambda action: {"rules": [{"action": action, "onReasons": ["Error", "Evicted"]}]}
            ),
        },
    ),
)


NAMES_OF_NODES = st.sampled_from(["n1", "n2", "node-0", "node-1"])
LOSSES = st.dictionaries(
    NAMES_OF_NODES,
    st.builds(NodeLoss, st.floats(0, 120), MOMENTS, st.sampled_from(["", "why"]), st.booleans()),
    max_size=2,
)
FAULTS = st.builds(
    ChipFault, st.integers(0, 3), st.booleans(), st.sampled_from(["", "SeparateNPU"])
)
REPORTS = st.dictionaries(
    NAMES_OF_NODES,
    st.builds(ChipReport, st.lists(FAULTS, min_size=1, max_size=2).map(tuple), MOMENTS),
    max_size=2,
)


@st.composite
def clusters(draw):
    """A job some turns into its life, among arbitrary pods."""
    cluster = Cluster(draw(JOBS))
    if draw(st.booleans()):
        cluster.settle()
        if draw(st.booleans()):
            cluster.bind()
            cluster.settle()
    for pod in draw(st.lists(PODS, max_size=6)):
        cluster.pods[pod.name] = pod
    cluster.progress = draw(st.sampled_from([None, {"step": 3, "loss": 0.5, "silent_s": 99.0}]))
    cluster.survey = draw(st.sampled_from([None, (), (a_report(0, silent_s=99.0, step=3),)]))
    cluster.refusals = draw(st.sampled_from([{}, {"b0-1-0": Refusal("NameConflict", "m")}]))
    cluster.lost_nodes = draw(LOSSES)
    cluster.chip_reports = draw(REPORTS)
    cluster.now = T0 + timedelta(seconds=draw(st.integers(0, 120)))
    return cluster


@settings(max_examples=200)
@given(cluster=clusters())
def test_no_mixture_of_pods_raises_and_every_plan_can_be_stored(cluster):
    view = cluster.view()
    plan = reconcile(view, cluster.now)
    assert reconcile(view, cluster.now) == plan
    if plan.status is not None:
        EfficientNetJobStatus.model_validate(json.loads(json.dumps(plan.status, allow_nan=False)))
    if plan.deletes or plan.creates or plan.pods:
        assert plan.status is not None, "an operator with an old view has to be refused"
        assert plan.status_first
    ours = {p.uid for p in view.pods if p.owner_uid == JOB.uid}
    assert {d.uid for d in plan.deletes} <= ours
    assert len(plan.deletes) == len({d.uid for d in plan.deletes})
    names = [p["metadata"]["name"] for p in plan.pods]
    assert len(names) == len(set(names))
    attempt = (plan.status or view.status).get("attempt")
    assert all(
        p["metadata"]["labels"]["efficientnet.dev/attempt"] == str(attempt) for p in plan.pods
    )


@settings(max_examples=100)
@given(cluster=clusters(), kind=st.sampled_from(["Succeeded", "Failed"]))
def test_a_finished_job_never_creates_or_changes_anything(cluster, kind):
    condition = {"type": kind, "status": "True", "reason": "R", "message": "m"}
    cluster.job["status"] = {
        "attempt": 1,
        "conditions": [{**condition, "lastTransitionTime": "2026-01-01T12:00:00Z"}],
    }
    plan = cluster.plan()
    assert plan.creates == plan.pods == plan.patches == ()
    assert plan.status is None or plan.status["phase"] == kind
    assert not plan.poll_progress


@settings(max_examples=100)
@given(cluster=clusters())
def test_pods_of_two_attempts_are_never_made_side_by_side_but_for_lost_nodes(cluster):
    plan = cluster.plan()
    if plan.pods:
        attempt = (plan.status or cluster.status)["attempt"]
        ours = [p for p in cluster.pods.values() if p.owner_uid == JOB.uid]
        older = [p for p in ours if p.attempt < attempt]
        lost = {name for name, loss in cluster.lost_nodes.items() if loss.for_s >= 60}
        assert all(p.deleting and p.node in lost for p in older)


@settings(max_examples=100)
@given(cluster=clusters(), turns=st.integers(1, 4))
def test_left_alone_a_job_comes_to_rest(cluster, turns):
    # Names may be taken by other pods here; what the executor would refuse is left out.
    taken = {p.name for p in cluster.pods.values() if p.owner_uid != JOB.uid}
    cluster.pods = {n: p for n, p in cluster.pods.items() if n not in taken}
    for _ in range(turns + 10):
        if is_empty(cluster.turn()):
            return
        cluster.collect()
    raise AssertionError(f"still busy: {cluster.plan()}")


@settings(max_examples=100)
@given(cluster=clusters())
def test_a_deleted_job_is_left_alone(cluster):
    cluster.job["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    assert is_empty(cluster.plan())
