"""Slots: no more run at once than allowed, all of them are used, and queues go in their order."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, defaultdict

import pytest

import asynctasq
from asynctasq import task
from asynctasq.memory import MemoryDriver
from asynctasq.worker import Worker

running: Counter[str] = Counter()
most: Counter[str] = Counter()
order: defaultdict[str, list[str]] = defaultdict(list)
barriers: dict[str, asyncio.Barrier] = {}


def enter(key: str) -> None:
    running[key] += 1
    most[key] = max(most[key], running[key])


@task
async def occupy(key: str) -> None:
    enter(key)
    await asyncio.sleep(0.005)
    running[key] -= 1


@task
def occupy_a_thread(key: str) -> str:
    enter(key)
    time.sleep(0.005)
    running[key] -= 1
    return threading.current_thread().name


@task
async def meet(key: str) -> None:
    async with asyncio.timeout(5):
        await barriers[key].wait()


@task
async def note(key: str, text: str) -> None:
    order[key].append(text)


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.asyncio
async def test_never_do_more_run_at_once_than_allowed(memory, queue: str, concurrency: int) -> None:
    handles = await asynctasq.dispatch_many([occupy(queue).on_queue(queue) for _ in range(20)])
    async with Worker([queue], concurrency=concurrency) as worker:
        for handle in handles:
            await handle.result(timeout=5)
    assert worker.completed == 20
    assert most[queue] == concurrency


@pytest.mark.asyncio
async def test_all_slots_are_used_at_once(memory, queue: str) -> None:
    barriers[queue] = asyncio.Barrier(8)
    handles = [await meet(queue).on_queue(queue).dispatch() for _ in range(16)]
    async with Worker([queue], concurrency=8):
        for handle in handles:
            await handle.result(timeout=5)


@pytest.mark.asyncio
async def test_plain_functions_run_in_threads_of_their_own_beside_the_loop(
    memory, queue: str
) -> None:
    handles = [await occupy_a_thread(queue).on_queue(queue).dispatch() for _ in range(8)]
    async with Worker([queue], concurrency=4):
        names = {await handle.result(timeout=5) for handle in handles}
    assert names == {"asynctasq-task"}
    assert 1 <= most[queue] <= 4


@pytest.mark.asyncio
async def test_a_thread_does_not_block_the_loop(memory, queue: str) -> None:
    gate = threading.Event()

    @task(name="slots.hold")
    def hold() -> bool:
        return gate.wait(5)

    async with Worker([queue], concurrency=2):
        held = await hold().on_queue(queue).dispatch()
        await (await note(queue, "beside").on_queue(queue).dispatch()).result(timeout=5)
        gate.set()
        assert await held.result(timeout=5)
    assert order[queue] == ["beside"]


@pytest.mark.asyncio
async def test_a_queue_is_worked_off_in_the_order_of_dispatch(memory, queue: str) -> None:
    handles = await asynctasq.dispatch_many(
        [note(queue, f"{n}").on_queue(queue) for n in range(50)]
    )
    async with Worker([queue], concurrency=1):
        await handles[-1].result(timeout=5)
    assert order[queue] == [f"{n}" for n in range(50)]


@pytest.mark.asyncio
async def test_an_earlier_queue_goes_before_a_later_one(memory, queue: str) -> None:
    low, high = f"{queue}-low", f"{queue}-high"
    last = [await note(queue, "low").on_queue(low).dispatch() for _ in range(20)]
    for _ in range(20):
        await note(queue, "high").on_queue(high).dispatch()
    async with Worker([high, low], concurrency=1):
        await last[-1].result(timeout=5)
    assert order[queue] == ["high"] * 20 + ["low"] * 20


@pytest.mark.asyncio
async def test_without_queues_it_serves_the_default_one(memory, queue: str) -> None:
    asynctasq.init({"driver": "memory", "default_queue": queue})
    async with Worker():
        await (await note(queue, "default").dispatch()).result(timeout=5)
    assert order[queue] == ["default"]


@pytest.mark.asyncio
async def test_two_workers_share_a_queue_and_run_nothing_twice(
    memory: MemoryDriver, queue: str
) -> None:
    calls = [note(queue, f"{n}").on_queue(queue) for n in range(300)]
    handles = await asynctasq.dispatch_many(calls)
    async with Worker([queue]) as one, Worker([queue]) as other:
        for handle in handles:
            await handle.result(timeout=10)
    assert sorted(order[queue]) == sorted(f"{n}" for n in range(300))
    assert one.completed + other.completed == 300
    (stats,) = await memory.stats([queue])
    assert (stats.pending, stats.running, stats.dead) == (0, 0, 0)


@pytest.mark.asyncio
async def test_a_task_that_is_not_wanted_yet_stays_in_the_backend(
    memory: MemoryDriver, queue: str, until
) -> None:
    gate = asyncio.Event()
    barriers[queue] = asyncio.Barrier(99)

    @task(name="slots.wait")
    async def wait() -> None:
        enter(queue)
        await gate.wait()

    await asynctasq.dispatch_many([wait().on_queue(queue) for _ in range(50)])
    async with Worker([queue], concurrency=3):
        await until(lambda: running[queue] == 3)
        await asyncio.sleep(0.02)
        (stats,) = await memory.stats([queue])
        gate.set()
        await until(lambda: running[queue] == 50)
    assert stats.running is not None
    assert 3 <= stats.running <= 6
