"""Run one function over many files in parallel processes, and hear from it meanwhile."""

import multiprocessing
import time
from typing import Any, Callable, Iterator, Sequence, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")
Tell = Callable[[Any], None]

POLL_S = 0.05


def run_all(
    function: Callable[[Task, Tell], Result], tasks: Sequence[Task], processes: int, tell: Tell
) -> Iterator[Result]:
    """Yield each task's result when it is there, in any order.

    Args:
        function: of a module's top level; called with a task and a ``tell`` of its own.
        tasks: what to do; they and the results go through pickle.
        processes: how many at a time; with 1 no process is started.
        tell: gets what ``function`` tells, in this process.

    Raises:
        Exception: what ``function`` or ``tell`` raised first; the processes are ended.
    """
    if min(processes, len(tasks)) <= 1:
        for task in tasks:
            yield function(task, tell)
        return
    # A server that has imported TensorFlow but never ran it: threads do not survive a fork.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([function.__module__])
    # Written to in the worker itself: what it told is here before its result is.
    told = context.SimpleQueue()
    with context.Pool(min(processes, len(tasks)), _start, (function, told)) as pool:
        waiting = [pool.apply_async(_run, (task,)) for task in tasks]
        while waiting:
            _pass_on(told, tell)
            ready = [result for result in waiting if result.ready()]
            waiting = [result for result in waiting if result not in ready]
            for result in ready:
                yield result.get()
            if not ready and told.empty():
                time.sleep(POLL_S)
        while not told.empty():
            tell(told.get())


_state: Any = None


def _start(function: Callable[..., Any], told: Any) -> None:
    global _state
    _state = function, told


def _run(task: Any) -> Any:
    function, told = _state
    return function(task, told.put)


def _pass_on(told: Any, tell: Tell) -> None:
    """Pass on what was told, but let results not wait for those who never cease telling."""
    until = time.monotonic() + POLL_S
    while not told.empty() and time.monotonic() < until:
        tell(told.get())
