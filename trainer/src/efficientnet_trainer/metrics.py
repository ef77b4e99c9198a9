"""The pod's Prometheus metrics, made from its ranks' progress at each scrape.

There is no second bookkeeping: what ``/progress`` says and what ``/metrics`` says come from
the same states.  Base units; labels are rank, phase and stage, so series stay few.
"""

import time
from typing import Any, Callable, Iterable, Iterator, NamedTuple, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from efficientnet_trainer.meters import STEP_BUCKETS_S
from efficientnet_trainer.progress import PHASES, RankState


class Single(NamedTuple):
    """A metric with one sample for each rank: a field of its state."""

    name: str
    field: str
    text: str
    family: Any = GaugeMetricFamily


TRAINING = "efficientnet_training_"
EVALUATION = "efficientnet_evaluation_"
CHECKPOINT = "efficientnet_checkpoint_"

_SINGLES = (
    Single(TRAINING + "step", "step", "Steps applied so far, over all attempts."),
    Single(TRAINING + "steps_wanted", "total_steps", "Steps at which training ends."),
    Single(
        TRAINING + "restored_step",
        "restored_step",
        "Step of the checkpoint that this attempt went on from; 0 where it began anew.",
    ),
    Single(TRAINING + "epoch", "epoch", "Passes over the training set so far."),
    Single(
        TRAINING + "images_per_second",
        "images_per_second",
        "Images trained on per second, by the whole gang, over the last 30 s.",
    ),
    Single(TRAINING + "loss", "loss", "Training loss, the mean over the gang."),
    Single(TRAINING + "learning_rate", "learning_rate", "Learning rate of the last step."),
    Single(
        TRAINING + "loss_scale",
        "loss_scale",
        "Factor of the loss in mixed precision; absent in float32.",
    ),
    Single(
        TRAINING + "nan_steps",
        "nan_steps",
        "Steps whose loss was no finite number; the first ends the run.",
        CounterMetricFamily,
    ),
    Single(
        TRAINING + "input_wait_ratio",
        "input_wait_ratio",
        "Share of the last 30 s in which the step waited for its batch, 0 to 1.",
    ),
    Single(
        TRAINING + "input_wait_seconds",
        "input_wait_seconds",
        "Seconds that steps waited for their batches.",
        CounterMetricFamily,
    ),
    Single(
        TRAINING + "records_skipped",
        "records_skipped",
        "Broken records that were left out.",
        CounterMetricFamily,
    ),
    Single(TRAINING + "eta_seconds", "eta_seconds", "Estimated time to the last step."),
    Single(
        TRAINING + "heartbeat_timestamp_seconds",
        "heartbeat",
        "When the rank's process last showed life.",
    ),
    Single(
        TRAINING + "last_progress_timestamp_seconds",
        "last_progress",
        "Time of the last step, evaluated batch or entry into a phase.",
    ),
    Single(EVALUATION + "top1_ratio", "top1", "Top-1 accuracy of the last evaluation."),
    Single(EVALUATION + "top5_ratio", "top5", "Top-5 accuracy of the last evaluation."),
    Single(EVALUATION + "loss", "evaluation_loss", "Mean loss of the last evaluation."),
    Single(CHECKPOINT + "last_step", "checkpoint_step", "Step of the newest checkpoint."),
    Single(
        CHECKPOINT + "last_saved_timestamp_seconds",
        "checkpoint_saved_at",
        "When this attempt wrote its newest checkpoint.",
    ),
    Single(
        CHECKPOINT + "last_save_duration_seconds",
        "checkpoint_save_seconds",
        "How long writing the newest checkpoint took.",
    ),
)


class ProgressCollector(Collector):
    """Turns the ranks' states into metric families."""

    def __init__(
        self,
        read_states: Callable[[], Iterable[RankState]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the function that reads the pod's states."""
        self._read_states = read_states
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """Yield all families; a figure that no rank knows yet has no sample."""
        states = list(self._read_states())
        for single in _SINGLES:
            family = single.family(single.name, single.text, labels=["rank"])
            for state in states:
                value = getattr(state, single.field)
                if value is not None:
                    family.add_metric([str(state.rank)], value)
            yield family
        yield _age_family(states, self._clock())
        yield _phase_family(states)
        yield _start_family(states)
        yield _step_seconds_family(states)


def _age_family(states: Sequence[RankState], now: float) -> Metric:
    family = GaugeMetricFamily(
        CHECKPOINT + "age_seconds",
        "Seconds since this attempt wrote its newest checkpoint: what a crash would lose.",
        labels=["rank"],
    )
    for state in states:
        if state.checkpoint_saved_at is not None:
            family.add_metric([str(state.rank)], max(now - state.checkpoint_saved_at, 0.0))
    return family


def _phase_family(states: Sequence[RankState]) -> Metric:
    family = GaugeMetricFamily(
        TRAINING + "phase",
        "1 for the phase that the rank is in, else 0.",
        labels=["rank", "phase"],
    )
    for state in states:
        for phase in PHASES:
            family.add_metric([str(state.rank), phase], float(state.phase == phase))
    return family


def _start_family(states: Sequence[RankState]) -> Metric:
    family = GaugeMetricFamily(
        TRAINING + "start_seconds",
        "Seconds that each stage took from the process's start to its first step: import, graph, "
        "session (restoring included), first_step (compiling included).",
        labels=["rank", "stage"],
    )
    for state in states:
        for stage, seconds in state.start_seconds.items():
            family.add_metric([str(state.rank), stage], seconds)
    return family


def _step_seconds_family(states: Sequence[RankState]) -> Metric:
    family = HistogramMetricFamily(
        TRAINING + "step_seconds",
        "Seconds that a step took, with the wait for its batch, without saves and evaluations.",
        labels=["rank"],
    )
    bounds = [*(str(bound) for bound in STEP_BUCKETS_S), "+Inf"]
    for state in states:
        if state.step_seconds_counts is None:
            continue
        total, buckets = 0, []
        for bound, count in zip(bounds, state.step_seconds_counts):
            total += count
            buckets.append((bound, float(total)))
        family.add_metric([str(state.rank)], buckets, state.step_seconds_sum)
    return family


def render(read_states: Callable[[], Iterable[RankState]]) -> bytes:
    """Return the exposition text of the states that ``read_states`` gives."""
    registry = CollectorRegistry()
    registry.register(ProgressCollector(read_states))
    return generate_latest(registry)
