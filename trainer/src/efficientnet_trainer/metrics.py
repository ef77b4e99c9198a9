"""The pod's Prometheus metrics, made from its ranks' progress at each scrape.

There is no second bookkeeping: what ``/progress`` says and what ``/metrics`` says come from
the same states.  Base units; the only labels are rank and phase, so series stay few.
"""

from typing import Callable, Iterable, Iterator, Tuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from efficientnet_trainer.progress import PHASES, RankState

_GAUGES: Tuple[Tuple[str, str, str], ...] = (
    ("efficientnet_training_step", "step", "Steps applied so far, over all attempts."),
    ("efficientnet_training_steps_wanted", "total_steps", "Steps at which training ends."),
    ("efficientnet_training_epoch", "epoch", "Passes over the training set so far."),
    (
        "efficientnet_training_images_per_second",
        "images_per_second",
        "Images trained on per second, by the whole gang.",
    ),
    ("efficientnet_training_loss", "loss", "Training loss, the mean over the gang."),
    ("efficientnet_training_learning_rate", "learning_rate", "Learning rate of the last step."),
    ("efficientnet_training_eta_seconds", "eta_seconds", "Estimated time to the last step."),
    (
        "efficientnet_training_heartbeat_timestamp_seconds",
        "heartbeat",
        "When the rank's process last showed life.",
    ),
    (
        "efficientnet_training_last_progress_timestamp_seconds",
        "last_progress",
        "Time of the last step, evaluated batch or entry into a phase.",
    ),
    ("efficientnet_evaluation_top1_ratio", "top1", "Top-1 accuracy of the last evaluation."),
    ("efficientnet_evaluation_top5_ratio", "top5", "Top-5 accuracy of the last evaluation."),
    ("efficientnet_evaluation_loss", "evaluation_loss", "Mean loss of the last evaluation."),
    ("efficientnet_checkpoint_last_step", "checkpoint_step", "Step of the newest checkpoint."),
    (
        "efficientnet_checkpoint_last_saved_timestamp_seconds",
        "checkpoint_saved_at",
        "When the newest checkpoint was written.",
    ),
    (
        "efficientnet_checkpoint_last_save_duration_seconds",
        "checkpoint_save_seconds",
        "How long writing the newest checkpoint took.",
    ),
)


class ProgressCollector(Collector):
    """Turns the ranks' states into metric families."""

    def __init__(self, read_states: Callable[[], Iterable[RankState]]) -> None:
        """Take the function that reads the pod's states."""
        self._read_states = read_states

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield one family per figure; a figure that no rank knows yet has no sample."""
        states = list(self._read_states())
        for name, field, text in _GAUGES:
            family = GaugeMetricFamily(name, text, labels=["rank"])
            for state in states:
                value = getattr(state, field)
                if value is not None:
                    family.add_metric([str(state.rank)], value)
            yield family
        phases = GaugeMetricFamily(
            "efficientnet_training_phase",
            "1 for the phase that the rank is in, else 0.",
            labels=["rank", "phase"],
        )
        for state in states:
            for phase in PHASES:
                phases.add_metric([str(state.rank), phase], float(state.phase == phase))
        yield phases


def render(read_states: Callable[[], Iterable[RankState]]) -> bytes:
    """Return the exposition text of the states that ``read_states`` gives."""
    registry = CollectorRegistry()
    registry.register(ProgressCollector(read_states))
    return generate_latest(registry)
