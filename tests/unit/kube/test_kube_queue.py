"""The work queue: each key once, never twice at a time, failures with a back-off."""

import asyncio
import itertools

from efficientnet_operator.kube.queue import FIRST_RETRY_S, NEW_AFTER, WorkQueue

A, B, C = ("default", "a"), ("default", "b"), ("default", "c")


async def take(queue, timeout_s=1.0):
    return await asyncio.wait_for(queue.get(), timeout_s)


async def is_quiet(queue, for_s=0.05):
    """Tell whether nothing is handed out for so long."""
    try:
        await take(queue, for_s)
    except TimeoutError:
        return True
    return False


async def test_keys_come_in_the_order_they_were_added_and_once_each():
    queue = WorkQueue()
    for key in (A, B, A, A):
        queue.add(key)
    assert len(queue) == 2
    assert [await take(queue), await take(queue)] == [A, B]
    assert await is_quiet(queue)


async def test_a_key_that_is_added_while_it_is_worked_on_comes_once_more_afterwards():
    queue = WorkQueue(interval_s=0)
    queue.add(A)
    await take(queue)
    queue.add(A)
    queue.add(A)
    assert await is_quiet(queue)
    queue.done(A)
    assert await take(queue) == A
    queue.done(A)
    assert await is_quiet(queue)


async def test_a_burst_is_one_turn_in_each_interval():
    queue = WorkQueue(interval_s=0.1)
    loop = asyncio.get_running_loop()
    queue.add(A)
    await take(queue)
    started = loop.time()
    queue.done(A)
    for _ in range(1000):
        queue.add(A)
    await take(queue)
    assert loop.time() - started >= 0.095
    queue.done(A)
    assert await is_quiet(queue, 0.15)


async def test_a_key_that_rests_comes_when_it_has_rested():
    queue = WorkQueue(interval_s=0)
    loop = asyncio.get_running_loop()
    queue.add(A)
    await take(queue)
    started = loop.time()
    queue.rest(A, 0.1)
    queue.rest(A, 0.01)  # of two rests the longer one counts
    queue.add(A)
    queue.done(A)
    await take(queue)
    assert loop.time() - started >= 0.095


async def test_a_rest_does_not_make_the_interval_shorter():
    queue = WorkQueue(interval_s=60)
    queue.add(A)
    await take(queue)
    queue.rest(A, 0)
    queue.add(A)
    queue.done(A)
    assert await is_quiet(queue)


async def test_other_keys_do_not_wait_for_a_keys_interval():
    queue = WorkQueue(interval_s=60)
    queue.add(A)
    await take(queue)
    queue.done(A)
    queue.add(A)
    queue.add(B)
    assert await take(queue) == B


async def test_of_two_delays_the_earlier_counts():
    queue = WorkQueue()
    queue.add_after(A, 60)
    queue.add_after(A, 0.01)
    queue.add_after(A, 60)
    assert await take(queue) == A


async def test_a_timer_adds_no_second_turn_to_a_key_that_waits_or_is_worked_on():
    queue = WorkQueue(interval_s=0)
    queue.add_after(A, 0.01)
    queue.add(A)
    await asyncio.sleep(0.03)
    assert len(queue) == 1
    await take(queue)
    queue.add_after(A, 0.01)
    assert await is_quiet(queue)
    queue.done(A)
    assert await take(queue) == A


async def test_a_failing_key_comes_again_after_delays_that_double():
    queue = WorkQueue(interval_s=0)
    loop = asyncio.get_running_loop()
    queue.add(A)
    times = []
    for _ in range(4):
        await take(queue, 5)
        times.append(loop.time())
        queue.done(A, failed=True)
    delays = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(d >= FIRST_RETRY_S * 2**i - 0.01 for i, d in enumerate(delays))


async def test_success_forgets_the_failures():
    queue = WorkQueue(interval_s=0)
    loop = asyncio.get_running_loop()
    queue.add(A)
    for failed in (True, True, False):
        await take(queue)
        queue.done(A, failed=failed)
    queue.add(A)
    await take(queue)
    queue.done(A, failed=True)
    started = loop.time()
    await take(queue)
    assert loop.time() - started < 3.5 * FIRST_RETRY_S


async def test_a_forgotten_key_does_not_come_again():
    queue = WorkQueue(interval_s=0)
    queue.add_after(A, 0.01)
    queue.forget(A)
    assert await is_quiet(queue)
    queue.forget(B)


async def test_many_workers_never_hold_one_key_together():
    queue = WorkQueue(interval_s=0)
    held, worked = set(), []

    async def work():
        while True:
            key = await queue.get()
            assert key not in held
            held.add(key)
            await asyncio.sleep(0.001)
            held.remove(key)
            worked.append(key)
            queue.done(key)

    workers = [asyncio.create_task(work()) for _ in range(8)]
    keys = [("default", str(i)) for i in range(5)]
    for _ in range(20):
        for key in keys:
            queue.add(key)
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    failures = [w.exception() for w in workers if w.done()]
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    assert failures == []
    assert set(worked) == set(keys)
    assert await is_quiet(queue)


async def begin(queue, *keys):
    for key in keys:
        queue.add(key)
        assert await queue.get() == key
        queue.done(key)


async def test_jobs_that_have_begun_come_before_new_ones():
    queue = WorkQueue(interval_s=0)
    await begin(queue, A, B)
    for key in (C, A, B):
        queue.add(key)
    assert len(queue) == 3
    assert [await queue.get() for _ in range(3)] == [A, B, C]


async def test_a_new_job_has_its_turn_however_busy_the_others_are():
    queue = WorkQueue(interval_s=0)
    await begin(queue, A)
    queue.add(C)
    turns = []
    while not turns or turns[-1] != C:
        queue.add(A)
        turns.append(await queue.get())
        queue.done(turns[-1])
    assert turns == [A] * NEW_AFTER + [C]


async def test_an_heir_of_a_forgotten_name_is_new():
    queue = WorkQueue(interval_s=0)
    await begin(queue, A, B)
    queue.forget(A)
    for key in (A, B):
        queue.add(key)
    assert [await queue.get() for _ in range(2)] == [B, A]
