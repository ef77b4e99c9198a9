"""A rank's progress, from its process to /progress and /metrics."""

import json
from pathlib import Path

from efficientnet_trainer import documenting, meters, metrics, progress, serve

CONTRACT = Path(__file__).resolve().parents[2] / "contract"
GOLDEN = json.loads((CONTRACT / "progress.json").read_text(encoding="utf-8"))


class Clock:
    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


def sources(states):
    return serve.Sources(GOLDEN["pod"], GOLDEN["attempt"], lambda: states, lambda: None)


def test_progress_is_the_golden_one(tmp_path):
    (rank,) = GOLDEN["ranks"]
    clock = Clock(rank["lastProgress"])
    reporter = progress.ProgressReporter(str(tmp_path), 0, rank["totalSteps"], clock)
    reporter.advance(
        step=120,
        epoch=5.36,
        images_per_second=148.2,
        loss=0.8127,
        learning_rate=0.001,
        eta_seconds=78.0,
    )
    reporter.enter("training")
    clock.now = rank["heartbeat"]
    reporter.record(checkpoint_step=100)
    states = [progress.read_state(str(tmp_path), 0)]
    assert serve.describe_progress(sources(states)) == GOLDEN


def test_a_rank_that_wrote_nothing_yet_waits(tmp_path):
    state = progress.read_state(str(tmp_path), 5)
    assert (state.rank, state.phase, state.step) == (5, "waiting", None)


def test_a_figure_that_is_no_number_is_unknown(tmp_path):
    reporter = progress.ProgressReporter(str(tmp_path), 0)
    reporter.record(loss=float("nan"), learning_rate=float("inf"))
    state = progress.read_state(str(tmp_path), 0)
    assert (state.loss, state.learning_rate) == (None, None)


def test_a_heartbeat_is_no_progress(tmp_path):
    clock = Clock(100.0)
    reporter = progress.ProgressReporter(str(tmp_path), 0, clock=clock)
    clock.now = 160.0
    reporter.record(checkpoint_step=1)
    assert (reporter.state.heartbeat, reporter.state.last_progress) == (160.0, 100.0)


def test_metrics_have_a_sample_for_each_figure_that_is_known():
    states = [
        progress.RankState(rank=0, phase="training", step=120, loss=0.5, checkpoint_step=100),
        progress.RankState(rank=1, phase="saving", step=119),
    ]
    text = metrics.render(lambda: states).decode()
    assert 'efficientnet_training_step{rank="0"} 120.0' in text
    assert 'efficientnet_training_step{rank="1"} 119.0' in text
    assert 'efficientnet_training_loss{rank="0"} 0.5' in text
    assert 'efficientnet_training_loss{rank="1"}' not in text
    assert 'efficientnet_checkpoint_last_step{rank="0"} 100.0' in text
    assert 'efficientnet_training_records_skipped_total{rank="0"} 0.0' in text
    assert 'efficientnet_training_phase{phase="saving",rank="1"} 1.0' in text
    assert 'efficientnet_training_phase{phase="training",rank="1"} 0.0' in text


def test_metrics_of_what_is_counted():
    state = progress.RankState(
        rank=3,
        step_seconds_counts=[0] * 4 + [7, 2] + [0] * 5 + [1],
        step_seconds_sum=42.5,
        input_wait_seconds=1.5,
        input_wait_ratio=0.25,
        records_skipped=2,
        loss_scale=1024.0,
        restored_step=100,
        start_seconds={"import": 3.0, "graph": 4.0},
    )
    text = metrics.render(lambda: [state]).decode()
    assert 'efficientnet_training_step_seconds_bucket{le="0.1",rank="3"} 0.0' in text
    assert 'efficientnet_training_step_seconds_bucket{le="0.25",rank="3"} 7.0' in text
    assert 'efficientnet_training_step_seconds_bucket{le="30.0",rank="3"} 9.0' in text
    assert 'efficientnet_training_step_seconds_bucket{le="+Inf",rank="3"} 10.0' in text
    assert 'efficientnet_training_step_seconds_count{rank="3"} 10.0' in text
    assert 'efficientnet_training_step_seconds_sum{rank="3"} 42.5' in text
    assert 'efficientnet_training_input_wait_seconds_total{rank="3"} 1.5' in text
    assert 'efficientnet_training_input_wait_ratio{rank="3"} 0.25' in text
    assert 'efficientnet_training_records_skipped_total{rank="3"} 2.0' in text
    assert 'efficientnet_training_nan_steps_total{rank="3"} 0.0' in text
    assert 'efficientnet_training_loss_scale{rank="3"} 1024.0' in text
    assert 'efficientnet_training_restored_step{rank="3"} 100.0' in text
    assert 'efficientnet_training_start_seconds{rank="3",stage="graph"} 4.0' in text


def test_a_checkpoint_grows_older():
    states = [progress.RankState(rank=0, checkpoint_saved_at=1000.0), progress.RankState(rank=1)]
    collector = metrics.ProgressCollector(lambda: states, Clock(1090.0))
    (family,) = [f for f in collector.collect() if f.name == "efficientnet_checkpoint_age_seconds"]
    assert [(sample.labels, sample.value) for sample in family.samples] == [({"rank": "0"}, 90.0)]


def test_stages_of_the_start_reach_the_launcher(tmp_path):
    reporter = progress.ProgressReporter(str(tmp_path), 0)
    for stage in meters.STAGES:
        assert reporter.reach(stage)
    assert list(progress.read_state(str(tmp_path), 0).start_seconds) == list(meters.STAGES)


def test_a_full_disk_does_not_stop_the_one_who_reports(tmp_path):
    reporter = progress.ProgressReporter(str(tmp_path), 0)
    (tmp_path / "rank-0.json").unlink()
    (tmp_path / "rank-0.json").mkdir()
    reporter.record(checkpoint_step=7)
    assert reporter.state.checkpoint_step == 7


def test_the_reference_of_the_metrics_is_that_of_the_code():
    page = CONTRACT.parents[1] / "docs" / "reference" / documenting.PAGE
    assert page.read_text(encoding="utf-8") == documenting.build_reference()
