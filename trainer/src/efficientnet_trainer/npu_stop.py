"""Let the ranks of an NPU gang stop together, at the end of a loop.

An NPU runs ``iterations_per_loop`` steps for one call of the session, and takes nothing from
the host meanwhile: a wish that is part of the step, as on CPUs, would be read once before the
loop, and be heard one loop late.  So the wishes are summed between the loops, by a graph of
their own.
"""

from typing import Any, Callable

import tensorflow.compat.v1 as tf

from efficientnet_trainer.stop import StopFlag


class LoopStopHook(tf.train.SessionRunHook):
    """Ends training after the loop in which any rank began to wish for it."""

    def __init__(self, flag: StopFlag, sum_over_ranks: Callable[[tf.Tensor], tf.Tensor]) -> None:
        """Build the sum into the current graph; all ranks run it equally often."""
        self._flag = flag
        self._wish = tf.placeholder(tf.float32, [], name="wish_to_stop")
        self._wishes = sum_over_ranks(tf.stack([self._wish]))

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Have the sum compiled now, not within the grace period; all ranks meet in it."""
        self._count_wishes(session)
        self._flag.note_joined()

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Leave where any rank wishes to; the saver saves at the end of the session."""
        if self._count_wishes(run_context.session) > 0.5:
            # A rank that only hears of the stop stops just the same, and says so.
            self._flag.request()
            run_context.request_stop()

    def _count_wishes(self, session: Any) -> float:
        wish = 1.0 if self._flag.requested else 0.0
        return float(session.run(self._wishes, {self._wish: wish})[0])
