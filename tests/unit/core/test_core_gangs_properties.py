"""Whatever schedulers and Kueue write: never an exception, and no pod before their word."""

import json
from dataclasses import replace
from datetime import timedelta

from core_builders import JOB, T0, Cluster, a_job
from efficientnet_operator.api.status import EfficientNetJobStatus
from efficientnet_operator.core.gang import STRATEGIES
from efficientnet_operator.core.gang.group_view import parse_group
from efficientnet_operator.core.kueue.workload_view import Flavor, Queueing, parse_workload
from efficientnet_operator.core.reconcile import reconcile
from efficientnet_operator.core.resources import POD_GROUPS, WORKLOADS
from efficientnet_operator.core.view import FORBIDDEN, NOT_SERVED
from hypothesis import given, settings
from hypothesis import strategies as st

LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
JUNK = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["type", "status", "name", "flavors"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
KINDS = ["PodGroupInitiallyScheduled", "Unschedulable", "QuotaReserved", "Admitted", "Evicted",
         "PodsReady", "Requeued", "Finished"]  # fmt: skip
CONDITIONS = st.lists(
    JUNK
    | st.fixed_dictionaries(
        {"type": st.sampled_from(KINDS), "status": st.sampled_from(["True", "False"])},
        optional={"reason": st.text(max_size=5), "message": st.text(), "lastTransitionTime": JUNK},
    ),
    max_size=5,
)
ASSIGNMENTS = st.lists(
    JUNK | st.fixed_dictionaries({"name": st.just("main"), "flavors": JUNK}), max_size=2
)
ADMISSION = JUNK | st.fixed_dictionaries({"podSetAssignments": ASSIGNMENTS})
STATUS = JUNK | st.fixed_dictionaries(
    {"conditions": CONDITIONS},
    optional={
        "phase": st.sampled_from(["", "Pending", "Inqueue", "Running", 3]),
        "admission": ADMISSION,
        "admissionChecks": JUNK,
    },
)
SPEC = JUNK | st.fixed_dictionaries({"queueName": st.text(max_size=5), "active": st.booleans()})


@st.composite
def objects_of(draw, resources, name):
    """An object of the job's, in one of several APIs, that says anything."""
    metadata = {"name": name, "namespace": JOB.namespace, "uid": f"uid-of-{name}"}
    metadata |= draw(st.sampled_from([{}, {"deletionTimestamp": "2026-01-01T12:00:00Z"}]))
    metadata |= draw(st.sampled_from([{}, {"creationTimestamp": "2026-01-01T12:00:00Z"}]))
    document = {"metadata": metadata, "spec": draw(SPEC), "status": draw(STATUS)}
    return draw(st.sampled_from(resources)), document


def a_view(draw):
    scheduling = {"gang": draw(st.sampled_from(sorted(STRATEGIES)))}
    scheduling |= draw(st.sampled_from([{}, {"topologyKey": "example.com/rack"}]))
    labels = draw(st.sampled_from([{}, {"kueue.x-k8s.io/queue-name": "team-a"}]))
    policy = {"suspend": draw(st.booleans())}
    job = a_job(2, metadata={"labels": labels}, scheduling=scheduling, runPolicy=policy)
    cluster = Cluster(job)
    if draw(st.booleans()):
        cluster.settle()
        cluster.bind()
        cluster.settle()
    either = objects_of(POD_GROUPS, "b0-1") | objects_of(POD_GROUPS, "b0-0")
    groups = draw(st.lists(either, max_size=2))
    queueing = None
    if draw(st.booleans()):
        workload = draw(st.none() | objects_of(WORKLOADS, "efficientnetjob-b0"))
        flavors = draw(st.sampled_from([{}, {"": Flavor({"a": "b"})}]))
        queueing = Queueing(workload and parse_workload(*workload), flavors)
    absent = draw(
        st.dictionaries(
            st.sampled_from((*POD_GROUPS, *WORKLOADS)), st.sampled_from([NOT_SERVED, FORBIDDEN])
        )
    )
    return replace(
        cluster.view(),
        groups=tuple(parse_group(*group) for group in groups),
        kueue=queueing,
        absent=absent,
    )


VIEWS = st.composite(a_view)()


@settings(max_examples=300)
@given(view=VIEWS, later_s=st.integers(0, 120))
def test_no_word_of_a_scheduler_raises_and_every_plan_can_be_stored(view, later_s):
    now = T0 + timedelta(seconds=later_s)
    plan = reconcile(view, now)
    assert reconcile(view, now) == plan
    if plan.status is not None:
        EfficientNetJobStatus.model_validate(json.loads(json.dumps(plan.status, allow_nan=False)))
    for patch in plan.reports:
        json.dumps(patch.body, allow_nan=False)


@settings(max_examples=300)
@given(view=VIEWS)
def test_no_pod_is_made_for_a_job_that_kueue_did_not_admit(view):
    plan = reconcile(view, T0)
    queued = "kueue.x-k8s.io/queue-name" in view.job.metadata.labels
    if plan.pods and queued and view.kueue is not None:
        assert view.kueue.workload is not None
        assert view.kueue.workload.is_true("Admitted")
        assert not view.kueue.workload.is_true("Evicted")
