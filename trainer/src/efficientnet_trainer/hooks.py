"""What happens beside the arithmetic at each step: stop together and report.

A rank must not leave the loop alone, for the others would wait in the next collective for
ever.  So the wish to stop is summed over the ranks within the step, and all see the same
sum: they leave at the same step and save there together.
"""

import math
import time
from typing import Any, Callable, Optional

import tensorflow.compat.v1 as tf

from efficientnet_trainer import pictures
from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.confusion import ConfusionHook
from efficientnet_trainer.console import Console
from efficientnet_trainer.errors import DivergedError
from efficientnet_trainer.input_watch import METER
from efficientnet_trainer.meters import InputMeter, RateMeter, Rates, StepTimes, share
from efficientnet_trainer.progress import ProgressReporter
from efficientnet_trainer.stop import StopFlag

SUMMARY_FLUSH_S = 10
LOSS_SCALE = "loss_scale"
"""Collection of the factor of the loss, where precision is mixed."""


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
        # A session alone shows nothing: one that is restored is created without the others.
        self._flag.note_joined()
        if run_values.results > 0.5:
            # A rank that only hears of the stop stops just the same, and says so.
            self._flag.request()
            run_context.request_stop()


class ReportHook(tf.train.SessionRunHook):
    """Tells the launcher of each step, and the log and TensorBoard of every ``log_steps``."""

    def __init__(
        self,
        config: TrainerConfig,
        num_ranks: int,
        figures: Any,
        reporter: ProgressReporter,
        summary_dir: Optional[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what to report.

        Args:
            config: sizes of batch and epoch, and the total of steps.
            num_ranks: ranks that share a step.
            figures: dict of the tensors ``step`` (after the update), ``loss``, ``rate``.
            reporter: where each step is told.
            summary_dir: where curves and images are drawn, or None on ranks above 0.
            clock: seconds that only ever grow.
        """
        self._config = config
        self._global_batch = config.train_batch_size * num_ranks
        self._steps_per_epoch = config.steps_per_epoch(num_ranks)
        self._figures = dict(figures)
        self._reporter = reporter
        self._summary_dir = summary_dir
        self._writer: Optional[Any] = None
        self._console = Console(config.train_steps)
        self._input = InputMeter()
        self._clock = clock
        self._rates = RateMeter(clock)
        state = reporter.state
        # A run that evaluates in between has several sessions; what is counted goes on.
        self._times = StepTimes(state.step_seconds_counts, state.step_seconds_sum)
        self._waited_before_s = state.input_wait_seconds or 0.0
        self._step = 0
        self._started = 0.0
        self._is_compiled = False
        self._logged = (self._clock(), 0, 0.0)

    def begin(self) -> None:
        """Show that the graph is being compiled until the first step is done."""
        self._reporter.reach("graph")
        self._reporter.enter("compiling")
        for scale in tf.get_collection(LOSS_SCALE):
            self._figures["loss_scale"] = scale
        for meter in tf.get_collection(METER):
            self._input = meter
        if self._summary_dir is not None:
            self._writer = tf.summary.FileWriter(self._summary_dir, flush_secs=SUMMARY_FLUSH_S)

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Start counting from the step that was restored."""
        self._reporter.reach("session")
        self._step = int(session.run(tf.train.get_global_step()))
        if self._reporter.state.restored_step is None:
            self._reporter.record(restored_step=self._step)
        self._console.start(self._step)
        self._rates.measure(self._step)
        self._logged = (self._clock(), self._step, 0.0)

    def before_run(self, _run_context: Any) -> Any:
        """Fetch the figures with the step."""
        self._started = self._clock()
        return tf.train.SessionRunArgs(self._figures)

    def after_run(self, _run_context: Any, run_values: Any) -> None:
        """Report the step, or the steps of an NPU's loop.

        Raises:
            DivergedError: the loss is no finite number.
        """
        figures = run_values.results
        step, loss = int(figures["step"]), float(figures["loss"])
        if not math.isfinite(loss):
            # The sum over the ranks is no number on any of them, so all end at this step.
            raise DivergedError(f"the loss of step {step} is {loss}")
        steps = max(step - self._step, 1)
        self._step = step
        if self._is_compiled:
            self._times.observe((self._clock() - self._started) / steps, steps)
        elif self._reporter.reach("first_step"):
            self._console.say(self._reporter.describe_start())
        self._is_compiled = True
        if self._reporter.state.phase != "training":
            self._reporter.enter("training")
        rates = self._rates.measure(step, self._input.waited_s)
        self._advance(figures, rates)
        left = self._config.train_steps - step
        if step // self._config.log_steps > self._logged[1] // self._config.log_steps or left <= 0:
            self._log(step, loss, float(figures["rate"]))

    def end(self, session: Any) -> None:
        """Write out what TensorBoard has not seen yet."""
        self._console.close()
        if self._writer is not None:
            self._writer.close()

    def _advance(self, figures: Any, rates: Rates) -> None:
        speed = rates.steps_per_s
        images_per_s = speed and speed * self._global_batch
        scale = figures.get("loss_scale")
        self._reporter.advance(
            step=self._step,
            epoch=self._step / self._steps_per_epoch,
            loss=float(figures["loss"]),
            learning_rate=float(figures["rate"]),
            images_per_second=images_per_s,
            eta_seconds=speed and (self._config.train_steps - self._step) / speed,
            input_wait_ratio=rates.wait_ratio,
            input_wait_seconds=self._waited_before_s + self._input.waited_s,
            loss_scale=None if scale is None else float(scale),
            **self._times.figures(),
        )
        self._console.show(self._step, float(figures["loss"]), images_per_s)

    def _log(self, step: int, loss: float, rate: float) -> None:
        now, waited_s = self._clock(), self._input.waited_s
        last_time, last_step, last_waited_s = self._logged
        self._logged = (now, step, waited_s)
        steps = max(step - last_step, 1)
        step_s = max(now - last_time, 1e-9) / steps
        wait_s = (waited_s - last_waited_s) / steps
        ips, epoch = self._global_batch / step_s, step / self._steps_per_epoch
        # The original trainer's line, blanks included: people have scripts that read it.
        self._console.say(f"step:{step}  epoch:{epoch} ips:{ips} loss:{loss} lr:{rate}")
        waited = share(wait_s, step_s)
        self._console.say(f"input: {waited:.1%} of a step waited, {wait_s:.3f} of {step_s:.3f} s")
        if self._writer is None:
            return
        scalars = {
            "images_per_second": ips,
            "loss": loss,
            "learning_rate": rate,
            "input_wait_ratio": waited,
        }
        self._writer.add_summary(pictures.scalar_summary(scalars), step)
        images = self._input.take_images()
        if images is not None:
            sheet = pictures.arrange_sheet(images)
            self._writer.add_summary(pictures.image_summary("augmented_images", sheet), step)


class EvaluationHook(ConfusionHook):
    """Counts evaluated batches as progress, and leaves when asked to stop."""

    def __init__(self, reporter: ProgressReporter, flag: StopFlag) -> None:
        """Report to ``reporter``, watch ``flag``."""
        super().__init__()
        self._reporter = reporter
        self._flag = flag

    def begin(self) -> None:
        """Enter the phase."""
        super().begin()
        self._reporter.enter("evaluating")

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Record the batch."""
        super().after_run(run_context, run_values)
        self._reporter.advance()
        if self._flag.requested:
            run_context.request_stop()

    def end(self, session: Any) -> None:
        """Draw what was evaluated, unless a stop cut it short."""
        if not self._flag.requested:
            super().end(session)
