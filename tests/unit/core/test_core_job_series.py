"""Which jobs have time series of their own, and what those tell."""

from datetime import timedelta

import pytest
from core_builders import T0, a_job
from efficientnet_operator.core.conditions import format_time
from efficientnet_operator.core.job_series import choose_jobs, figures_of, phase_of

NOW = T0 + timedelta(hours=2)


def alive(name, age_s=60):
    created = format_time(NOW - timedelta(seconds=age_s))
    return a_job(
        metadata={"name": name, "creationTimestamp": created}, status={"phase": "Running"}
    )


def ended(name, ago_s, phase="Succeeded"):
    status = {"phase": phase, "completionTime": format_time(NOW - timedelta(seconds=ago_s))}
    return a_job(metadata={"name": name}, status=status)


CHOICES = {
    "all, where there is room": ([alive("a"), ended("b", 60)], 5, ["a", "b"], 0),
    "the oldest finished goes first": (
        [ended("old", 900), alive("a"), ended("new", 60, "Failed")],
        2,
        ["a", "new"],
        1,
    ),
    "of those that run the oldest stay": (
        [alive("newest", 10), alive("older", 99), alive("old", 50)],
        2,
        ["older", "old"],
        1,
    ),
    "finished long ago is not left out but over": ([alive("a"), ended("b", 3601)], 1, ["a"], 0),
    "none are wanted": ([alive("a"), ended("b", 60)], 0, [], 2),
    "a job that nobody looked at yet": ([a_job(metadata={"name": "new"})], 1, ["new"], 0),
    "an end that cannot be read": ([a_job(status={"phase": "Failed"})], 1, [], 0),
}


@pytest.mark.parametrize("documents, limit, want, left_out", CHOICES.values(), ids=CHOICES)
def test_who_has_series(documents, limit, want, left_out):
    chosen, count = choose_jobs(documents, limit, NOW)
    assert ([d["metadata"]["name"] for d in chosen], count) == (want, left_out)


def test_a_job_that_nobody_looked_at_is_pending_and_tells_what_it_wants():
    assert phase_of(a_job(8)) == "Pending"
    assert figures_of(a_job(8)) == {"npus": 8}


def test_figures_are_those_of_the_status():
    progress = {
        "step": 120,
        "totalSteps": 300,
        "imagesPerSecond": 45.5,
        "top1": 0.75,
        "loss": 0.5,
        "lastUpdated": "1970-01-01T00:01:00.500000Z",
    }
    assert figures_of(a_job(4, status={"attempt": 2, "progress": progress})) == {
        "attempt": 2,
        "npus": 4,
        "step": 120,
        "target_steps": 300,
        "images_per_second": 45.5,
        "top1_ratio": 0.75,
        "progress_timestamp_seconds": 60.5,
    }
