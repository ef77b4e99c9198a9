"""How often a status is stored: a transition at once, new counts and words now and then."""

from dataclasses import replace

import pytest
from core_builders import Cluster, a_job, a_running_job
from efficientnet_operator.core.draft import STATUS_INTERVAL_S
from efficientnet_operator.core.reconcile import reconcile


def plan_with_status_of_age(cluster, age_s):
    return reconcile(replace(cluster.view(), status_age_s=age_s), cluster.now)


@pytest.fixture
def allocating():
    """A gang of which one more pod has its devices than the stored status says."""
    cluster = Cluster(a_job(4, scheduling={"npusPerHost": 2}))
    cluster.turn()
    cluster.bind()
    annotated = {n: p.annotations for n, p in cluster.pods.items()}
    for name in annotated:
        cluster.change(name, annotations={})
    cluster.settle()
    cluster.change("b0-1-0", annotations=annotated["b0-1-0"])
    return cluster, annotated


def test_new_counts_are_stored_at_once_where_the_last_status_is_old(allocating):
    cluster, _ = allocating
    plan = plan_with_status_of_age(cluster, STATUS_INTERVAL_S)
    assert plan.status["npus"] == {"total": 4, "allocated": 1}


def test_new_counts_wait_while_the_last_status_is_young(allocating):
    cluster, _ = allocating
    plan = plan_with_status_of_age(cluster, 0.2)
    assert plan.status is None
    assert plan.requeue_s == pytest.approx(STATUS_INTERVAL_S - 0.2)
    assert plan.waits_for.startswith("the device plugin's annotation on b0-1-1")


def test_a_table_does_not_wait(allocating):
    cluster, annotated = allocating
    for name, annotations in annotated.items():
        cluster.change(name, annotations=annotations)
    plan = plan_with_status_of_age(cluster, 0.0)
    assert plan.status["rankTable"]
    assert plan.patches


def test_a_violation_does_not_wait(allocating):
    cluster, annotated = allocating
    key = next(iter(annotated["b0-1-1"]))
    cluster.change("b0-1-1", annotations={key: "{"})
    conditions = plan_with_status_of_age(cluster, 0.0).status["conditions"]
    assert "InvalidAnnotation" in {c["reason"] for c in conditions}


def test_a_report_of_progress_does_not_wait():
    cluster = a_running_job()
    cluster.progress = {"phase": "training", "step": 7}
    assert plan_with_status_of_age(cluster, 0.0).status["progress"]["step"] == 7


def test_what_makes_or_deletes_anything_does_not_wait(allocating):
    cluster, _ = allocating
    del cluster.pods["b0-1-3"]
    plan = plan_with_status_of_age(cluster, 0.0)
    assert plan.status_first
    assert plan.status["attempt"] == 2
