"""The gauges follow what the operator knows, and every metric has an entry in the reference."""

import asyncio
import re
from pathlib import Path

from efficientnet_operator.documenting import PAGE, build_reference, find_metrics
from efficientnet_operator.kube.accounting import Books
from efficientnet_operator.kube.observe import Memory
from efficientnet_operator.kube.queue import WorkQueue
from prometheus_client import REGISTRY

ROOT = Path(__file__).parents[3]
PREFIX = "efficientnet_operator_"


def value(name, **labels):
    return REGISTRY.get_sample_value(PREFIX + name, labels)


def a_job(name, phase, **status):
    metadata = {"namespace": "a", "name": name, "uid": f"uid-{name}", "resourceVersion": "1"}
    return {
        "metadata": metadata,
        "spec": {"npus": 4},
        "status": {"phase": phase, "attempt": 1, "npus": {"allocated": 4}, **status},
    }


def books_of(*documents, job_series=500):
    memory = Memory.create(WorkQueue())
    for document in documents:
        memory.put_job(document)
    return Books(memory, job_series), memory


def test_jobs_and_npus_are_counted_by_the_one_who_leads():
    books, _ = books_of(a_job("x", "Running"), a_job("y", "Running"), a_job("z", "Failed"))
    books.fill(leading=True)
    assert (value("jobs", phase="Running"), value("jobs", phase="Failed")) == (2, 1)
    assert value("npus_allocated", namespace="a") == 8
    books.fill(leading=False)
    assert value("jobs", phase="Running") is None
    assert value("job_npus", namespace="a", job_name="x") is None


def test_series_of_a_job_vanish_with_it():
    books, memory = books_of(a_job("x", "Running", progress={"step": 7}))
    books.fill(leading=True)
    mine = {"namespace": "a", "job_name": "x"}
    assert value("job_step", **mine) == 7
    assert value("job_phase", phase="Running", **mine) == 1
    memory.put_job(a_job("x", "Restarting"))
    books.fill(leading=True)
    assert value("job_phase", phase="Running", **mine) is None
    assert value("job_step", **mine) is None
    memory.forget_job(("a", "x"))
    books.fill(leading=True)
    assert value("job_phase", phase="Restarting", **mine) is None


def test_how_many_have_none_is_told():
    books, _ = books_of(*(a_job(f"j{i}", "Running") for i in range(5)), job_series=3)
    books.fill(leading=True)
    assert value("jobs_left_out") == 2
    shown = [value("job_attempt", namespace="a", job_name=f"j{i}") for i in range(5)]
    assert shown.count(None) == 2


def test_a_watch_that_is_not_open_has_no_age():
    books, _ = books_of()
    books.fill(leading=True)
    assert value("watch_age_seconds", resource="pods") is None


def test_no_exported_metric_goes_without_an_entry():
    page = build_reference()
    exported = {family.name for family in REGISTRY.collect() if family.name.startswith(PREFIX)}
    assert len(exported) == len(find_metrics()) > 20
    documented = {name.removesuffix("_total") for name in re.findall(r"^\| `(\w+)`", page, re.M)}
    assert documented == exported


def test_the_reference_is_the_one_in_the_repository():
    stored = (ROOT / "docs/reference" / PAGE).read_text()
    assert stored == build_reference(), "run `make generate` and commit what it writes"


def test_how_long_a_job_waited_in_the_queue_is_counted_from_when_it_is_open():
    async def wait():
        queue = WorkQueue(interval_s=0)
        queue.close()
        queue.add(("a", "x"))
        waiting = asyncio.create_task(queue.get())
        await asyncio.sleep(0.02)
        assert not waiting.done()
        assert value("queue_depth") == 0
        queue.open()
        assert await asyncio.wait_for(waiting, 1) == ("a", "x")

    before = value("queue_seconds_count")
    asyncio.run(wait())
    assert value("queue_seconds_count") == before + 1
