"""A rank's progress, from its process to /progress and /metrics."""

import json
from pathlib import Path

from efficientnet_trainer import metrics, progress, serve

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
    assert 'efficientnet_training_phase{phase="saving",rank="1"} 1.0' in text
    assert 'efficientnet_training_phase{phase="training",rank="1"} 0.0' in text
