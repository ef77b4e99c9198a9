"""What happens beside the arithmetic at each step: stop together and report.

A rank must not leave the loop alone, for the others would wait in the next collective for
ever.  So the wish to stop is summed over the ranks within the step, and all see the same
sum: they leave at the same step and save there together.
"""

import time
from collections import deque
from typing import Any, Callable, Deque, Optional, Tuple

import tensorflow.compat.v1 as tf

from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.progress import ProgressReporter
from efficientnet_trainer.stop import StopFlag

RATE_WINDOW_S = 30.0
SUMMARY_FLUSH_S = 10


class Shared:
    """The tensors of a step that ranks agree on.

    Summing loss and wish to stop in one vector costs one collective for both.
    """

    def __init__(
        self, loss: tf.Tensor, num_ranks: int, sum_over_ranks: Callable[[tf.Tensor], tf.Tensor]
    ) -> None:
        """Build them into the current graph."""
        self.wish = tf.placeholder(tf.float32, [], name="wish_to_stop")
        total = sum_over_ranks(tf.stack([self.wish, loss]))
        self.wishes = total[0]
        self.loss = total[1] / num_ranks


class AgreedStopHook(tf.train.SessionRunHook):
    """Ends training at the first step at which any rank wishes to stop."""

    def __init__(self, shared: Shared, flag: StopFlag) -> None:
        """Watch this rank's flag."""
        self._shared = shared
        self._flag = flag

    def before_run(self, _run_context: Any) -> Any:
        """Put this rank's wish into the sum.

        Fed in every step: a step with another set of feeds is another graph to TensorFlow,
        and compiling it would take seconds of the grace period.
        """
        wish = 1.0 if self._flag.requested else 0.0
        return tf.train.SessionRunArgs(self._shared.wishes, {self._shared.wish: wish})

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Leave where any rank wished to; the saver saves at the end of the session."""
        if run_values.results > 0.5:
            # A rank that only hears of the stop stops just the same, and says so.
            self._flag.request()
            run_context.request_stop()


class RateMeter:
    """Steps per second over the last half minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without a rate."""
        self._clock = clock
        self._seen: Deque[Tuple[float, int]] = deque()

    def measure(self, step: int) -> Optional[float]:
        """Note that ``step`` is done and return the rate, if there is one yet."""
        now = self._clock()
        self._seen.append((now, step))
        while len(self._seen) > 2 and now - self._seen[0][0] > RATE_WINDOW_S:
            self._seen.popleft()
        seconds, steps = now - self._seen[0][0], step - self._seen[0][1]
        return steps / seconds if steps > 0 and seconds > 0 else None


class ReportHook(tf.train.SessionRunHook):
    """Tells the launcher of each step, and the log and TensorBoard of every ``log_steps``."""

    def __init__(
        self,
        config: TrainerConfig,
        num_ranks: int,
        figures: Any,
        reporter: ProgressReporter,
        summary_dir: Optional[str],
    ) -> None:
        """Take what to report.

        Args:
            config: sizes of batch and epoch, and the total of steps.
            num_ranks: ranks that share a step.
            figures: dict of the tensors ``step`` (after the update), ``loss``, ``rate``.
            reporter: where each step is told.
            summary_dir: where images per second are drawn, or None on ranks above 0.
        """
        self._config = config
        self._global_batch = config.train_batch_size * num_ranks
        self._steps_per_epoch = config.steps_per_epoch(num_ranks)
        self._figures = figures
        self._reporter = reporter
        self._summary_dir = summary_dir
        self._writer: Optional[Any] = None
        self._meter = RateMeter()
        self._logged = (time.monotonic(), 0)

    def begin(self) -> None:
        """Show that the graph is being compiled until the first step is done."""
        self._reporter.enter("compiling")
        if self._summary_dir is not None:
            self._writer = tf.summary.FileWriter(self._summary_dir, flush_secs=SUMMARY_FLUSH_S)

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Start counting from the step that was restored."""
        step = int(session.run(tf.train.get_global_step()))
        self._meter.measure(step)
        self._logged = (time.monotonic(), step)

    def before_run(self, _run_context: Any) -> Any:
        """Fetch the figures with the step."""
        return tf.train.SessionRunArgs(self._figures)

    def after_run(self, _run_context: Any, run_values: Any) -> None:
        """Report the step."""
        figures = run_values.results
        step, loss, rate = int(figures["step"]), float(figures["loss"]), float(figures["rate"])
        steps_per_s = self._meter.measure(step)
        left = self._config.train_steps - step
        if self._reporter.state.phase != "training":
            self._reporter.enter("training")
        self._reporter.advance(
            step=step,
            epoch=step / self._steps_per_epoch,
            loss=loss,
            learning_rate=rate,
            images_per_second=steps_per_s and steps_per_s * self._global_batch,
            eta_seconds=steps_per_s and left / steps_per_s,
        )
        last_time, last_step = self._logged
        if step // self._config.log_steps > last_step // self._config.log_steps or left <= 0:
            now = time.monotonic()
            images_per_s = (step - last_step) * self._global_batch / max(now - last_time, 1e-9)
            self._logged = (now, step)
            self._log(step, images_per_s, loss, rate)

    def end(self, session: Any) -> None:
        """Write out what TensorBoard has not seen yet."""
        if self._writer is not None:
            self._writer.close()

    def _log(self, step: int, images_per_s: float, loss: float, rate: float) -> None:
        epoch = step / self._steps_per_epoch
        # The original trainer's line, blanks included: people have scripts that read it.
        print(f"step:{step}  epoch:{epoch} ips:{images_per_s} loss:{loss} lr:{rate}", flush=True)
        if self._writer is not None:
            figures = {"images_per_second": images_per_s, "loss": loss, "learning_rate": rate}
            values = [tf.Summary.Value(tag=t, simple_value=v) for t, v in figures.items()]
            self._writer.add_summary(tf.Summary(value=values), step)


class EvaluationHook(tf.train.SessionRunHook):
    """Counts evaluated batches as progress, and leaves when asked to stop."""

    def __init__(self, reporter: ProgressReporter, flag: StopFlag) -> None:
        """Report to ``reporter``, watch ``flag``."""
        self._reporter = reporter
        self._flag = flag

    def begin(self) -> None:
        """Enter the phase."""
        self._reporter.enter("evaluating")

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Record the batch."""
        self._reporter.advance()
        if self._flag.requested:
            run_context.request_stop()
