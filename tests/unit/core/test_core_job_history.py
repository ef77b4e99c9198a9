"""What is remembered of a job's figures: in order, bounded, gone with the job."""

from efficientnet_operator.core.job_history import MAX_POINTS, History
from hypothesis import given
from hypothesis import strategies as st

KEY = ("team", "b0")


def job(step=None, uid="1", **figures):
    progress = figures if step is None else {"step": step, **figures}
    return {
        "metadata": {"namespace": KEY[0], "name": KEY[1], "uid": uid},
        "status": {"progress": progress},
    }


def steps(history):
    return [point.step for point in history.points(KEY)]


def test_figures_become_curves():
    history = History()
    for step, figures in ((1, {"loss": 2.5}), (2, {"loss": 2, "top1": 0.5}), (3, {"top1": 0.6})):
        history.note(KEY, job(step, **figures))
    assert history.curve(KEY, "loss") == [(1, 2.5), (2, 2.0)]
    assert history.curve(KEY, "top1") == [(2, 0.5), (3, 0.6)]
    assert history.curve(KEY, "imagesPerSecond") == []


def test_a_step_that_is_told_again_is_told_anew():
    history = History()
    history.note(KEY, job(10, loss=1.0))
    history.note(KEY, job(10, loss=1.0, top1=0.9))
    assert history.curve(KEY, "top1") == [(10, 0.9)]
    assert steps(history) == [10]


def test_a_restart_goes_back_to_its_checkpoint():
    history = History()
    for step in (10, 20, 30, 40, 25, 35):
        history.note(KEY, job(step))
    assert steps(history) == [10, 20, 25, 35]


def test_an_heir_of_the_name_begins_anew():
    history = History()
    history.note(KEY, job(10))
    history.note(KEY, job(uid="2"))
    assert steps(history) == []
    history.note(KEY, job(3, uid="2"))
    assert steps(history) == [3]


def test_a_job_that_is_gone_is_forgotten():
    history = History()
    history.note(KEY, job(1))
    history.forget(KEY)
    history.forget(KEY)
    assert steps(history) == []


def test_jobs_without_progress_are_no_points():
    history = History()
    history.note(KEY, {"metadata": job()["metadata"]})
    history.note(KEY, job())
    assert steps(history) == []


@given(st.lists(st.integers(0, 3000), max_size=2000))
def test_points_ascend_and_are_bounded(told):
    history = History()
    for step in told:
        history.note(KEY, job(step))
    found = steps(history)
    assert found == sorted(set(found))
    assert len(found) <= MAX_POINTS
    assert not told or found[-1] == told[-1]


def test_long_runs_are_thinned_out_from_the_whole_length():
    history = History()
    for step in range(10_000):
        history.note(KEY, job(step))
    found = steps(history)
    assert MAX_POINTS / 2 <= len(found) <= MAX_POINTS
    assert (found[0], found[-1]) == (0, 9999)
