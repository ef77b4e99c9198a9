"""The part of the plugin that acts inside a session: the loop on the device.

A graph with an operation ``IterationOp`` runs ``iterations_per_loop`` times for one call of
the session, and the call returns the values of the last time.  The documentation wants the
data of such a graph to come from a Dataset, so feeds are refused.
"""

from tensorflow.python.client.session import BaseSession

iterations_per_loop = 1
"""Set by NPUEstimator for the session that it opens next."""
_run_once = BaseSession.run


def _operations(fetches):
    if isinstance(fetches, dict):
        fetches = list(fetches.values())
    if isinstance(fetches, (list, tuple)):
        for each in fetches:
            yield from _operations(each)
    else:
        yield getattr(fetches, "op", fetches)


def _run(self, fetches, feed_dict=None, options=None, run_metadata=None):
    if any(getattr(op, "name", "") == "IterationOp" for op in _operations(fetches)):
        if feed_dict:
            raise ValueError(f"a loop on the device takes no feeds: {feed_dict}")
        for _ in range(iterations_per_loop - 1):
            _run_once(self, fetches, None, options, run_metadata)
    return _run_once(self, fetches, feed_dict, options, run_metadata)


BaseSession.run = _run
