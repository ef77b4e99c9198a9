"""The work queue: job keys, each at most once, with a back-off for those that fail.

As client-go's: a key that is added while it is processed is processed once
more afterwards, never twice at the same time. Unlike there, jobs that have begun
come before new ones: where hundreds arrive at once, each is brought to its end
instead of all being in its midst.
"""

from __future__ import annotations

import asyncio
from collections import deque

from efficientnet_operator.core.identity import Key
from efficientnet_operator.kube.metrics import QUEUE_DEPTH, QUEUE_SECONDS

FIRST_RETRY_S = 0.2
LAST_RETRY_S = 60.0
NEW_AFTER = 16
"""So many turns of jobs that have begun are taken for one of a new job, where both wait."""
MOST_DOUBLINGS = 10
"""Beyond these the delay is the last one; a float's exponent ends, too."""


class WorkQueue:
    """Keys to reconcile; for one event loop.

    Args:
        interval_s: least time between the starts of two turns of one key, so that a
            burst of events about a thousand pods is one turn and not a thousand.
    """

    def __init__(self, interval_s: float = 0.1):
        self._interval_s = interval_s
        self._ready: deque[Key] = deque()
        self._new: deque[Key] = deque()
        self._since_new = 0
        self._waiting: dict[Key, float] = {}  # since when, by the loop's clock
        self._working: set[Key] = set()
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._earliest: dict[Key, float] = {}  # of every key that was ever handed out
        self._wake = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        return len(self._ready) + len(self._new)

    def close(self) -> None:
        """Hand out nothing until ``open``; keys are still taken in."""
        self._closed = True
        self._show_depth()

    def open(self) -> None:
        """Hand keys out; those that came meanwhile wait for a worker only from now on."""
        self._closed = False
        self._waiting = dict.fromkeys(self._waiting, asyncio.get_running_loop().time())
        self._show_depth()
        self._wake.set()

    def add(self, key: Key) -> None:
        """Enqueue a key, as soon as its interval allows."""
        if key in self._working:
            self._again.add(key)
            return
        if key in self._waiting:
            return
        now = asyncio.get_running_loop().time()
        earliest = self._earliest.get(key, now)
        if earliest > now:
            self.add_after(key, earliest - now)
        else:
            self._push(key)

    def add_after(self, key: Key, delay_s: float) -> None:
        """Enqueue a key after a delay; of two delays the earlier one counts."""
        loop = asyncio.get_running_loop()
        when = loop.time() + delay_s
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= when:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(when, self._fire, key)

    async def get(self) -> Key:
        """Wait for a key and take it; ``done`` has to follow."""
        while self._closed or not len(self):
            self._wake.clear()
            await self._wake.wait()
        key = self._take()
        since = self._waiting.pop(key)
        self._working.add(key)
        now = asyncio.get_running_loop().time()
        self._earliest[key] = now + self._interval_s
        QUEUE_SECONDS.observe(now - since)
        self._show_depth()
        return key

    def rest(self, key: Key, rest_s: float) -> None:
        """Hand a key that is worked on out again no earlier than so many seconds from now."""
        rested = asyncio.get_running_loop().time() + rest_s
        self._earliest[key] = max(rested, self._earliest.get(key, rested))

    def done(self, key: Key, *, failed: bool = False) -> None:
        """Give a key back; one that failed comes again after its back-off."""
        self._working.discard(key)
        again = key in self._again
        self._again.discard(key)
        if failed:
            failures = self._failures.get(key, 0)
            self._failures[key] = failures + 1
            timer = self._timers.pop(key, None)
            if timer:
                timer.cancel()  # an earlier, shorter one would undo the back-off
            doublings = min(failures, MOST_DOUBLINGS)
            self.add_after(key, min(LAST_RETRY_S, FIRST_RETRY_S * 2.0**doublings))
            return
        self._failures.pop(key, None)
        if again:
            self.add(key)

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a key whose job is gone."""
        self._failures.pop(key, None)
        self._earliest.pop(key, None)
        timer = self._timers.pop(key, None)
        if timer:
            timer.cancel()

    def _take(self) -> Key:
        """Take the next key out of its line."""
        if self._new and (not self._ready or self._since_new >= NEW_AFTER):
            self._since_new = 0
            return self._new.popleft()
        self._since_new += 1
        return self._ready.popleft()

    def _fire(self, key: Key) -> None:
        self._timers.pop(key, None)
        if key in self._working:
            self._again.add(key)
        elif key not in self._waiting:
            self._push(key)

    def _push(self, key: Key) -> None:
        self._waiting[key] = asyncio.get_running_loop().time()
        (self._ready if key in self._earliest else self._new).append(key)
        self._show_depth()
        self._wake.set()

    def _show_depth(self) -> None:
        QUEUE_DEPTH.set(0 if self._closed else len(self))
