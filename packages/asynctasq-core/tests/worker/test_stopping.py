"""Stopping: nothing new, the buffer given back, what runs finished in time or given back too."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter

import pytest

import asynctasq
from asynctasq import task
from asynctasq.memory import MemoryDriver
from asynctasq.worker import Worker

gates: dict[str, asyncio.Event] = {}
thread_gates: dict[str, threading.Event] = {}
seen: Counter[str] = Counter()


@task
async def pass_gate(name: str) -> str:
    seen[f"{name} began"] += 1
    try:
        await gates[name].wait()
    except asyncio.CancelledError:
        seen[f"{name} cancelled"] += 1
        raise
    return name


@task
def pass_in_a_thread(name: str) -> str:
    seen[f"{name} began"] += 1
    thread_gates[name].wait(10)
    return name


@task
async def refuse_to_stop(name: str) -> str:
    seen[f"{name} began"] += 1
    try:
        await gates[name].wait()
    except asyncio.CancelledError:
        await asyncio.sleep(0.01)
    return "done anyway"


@pytest.fixture
def gate(queue: str) -> asyncio.Event:
    """Holds back the tasks named like the queue."""
    gates[queue] = asyncio.Event()
    return gates[queue]


@pytest.mark.asyncio
async def test_what_runs_is_finished_and_the_buffer_is_given_back_first(
    memory: MemoryDriver, queue: str, gate: asyncio.Event, until, patient
) -> None:
    worker = Worker([queue], concurrency=2)
    running = asyncio.ensure_future(worker.run())
    gate.set()
    await (await pass_gate(queue).on_queue(queue).dispatch()).result(timeout=5)
    gate.clear()
    handles = [await pass_gate(queue).on_queue(queue).dispatch() for _ in range(10)]
    while (await memory.stats([queue]))[0].running != 4:  # two that run, two that wait beside them
        await asyncio.sleep(0.005)
    await until(lambda: seen[f"{queue} began"] == 3)
    worker.stop()
    while (await memory.stats([queue]))[0].running != 2:
        await asyncio.sleep(0.005)
    assert not running.done()
    gate.set()
    await running
    assert worker.completed == 3
    (stats,) = await memory.stats([queue])
    assert (stats.pending, stats.running) == (8, 0)
    for handle in handles[2:]:
        left = await memory.get(handle.ref)
        assert left is not None
        assert (left.attempt, left.deliveries) == (1, 0)
    assert seen[f"{queue} began"] == 3


@pytest.mark.asyncio
async def test_what_does_not_finish_in_time_is_cancelled_and_given_back(
    memory: MemoryDriver, queue: str, gate: asyncio.Event, until
) -> None:
    asynctasq.init({"driver": "memory", "shutdown_timeout": 0.05})
    handle = await pass_gate(queue).on_queue(queue).dispatch()
    async with Worker([queue]) as worker:
        await until(lambda: seen[f"{queue} began"])
    assert seen[f"{queue} cancelled"] == 1
    given_back = await memory.get(handle.ref)
    assert given_back is not None
    assert (given_back.state, given_back.attempt, given_back.deliveries) == ("pending", 1, 0)
    assert (worker.completed, worker.failed) == (0, 0)
    gate.set()
    async with Worker([queue]):
        assert await handle.result(timeout=5) == queue


@pytest.mark.asyncio
async def test_one_that_ignores_its_cancellation_but_finishes_is_done(
    memory: MemoryDriver, queue: str, gate: asyncio.Event, until
) -> None:
    asynctasq.init({"driver": "memory", "shutdown_timeout": 0})
    handle = await refuse_to_stop(queue).on_queue(queue).dispatch()
    async with Worker([queue]) as worker:
        await until(lambda: seen[f"{queue} began"])
    assert worker.completed == 1
    assert await handle.result(timeout=0) == "done anyway"


@pytest.mark.asyncio
async def test_a_thread_is_waited_for_as_long_as_it_may_take(
    memory: MemoryDriver, queue: str, until
) -> None:
    thread_gates[queue] = threading.Event()
    handle = await pass_in_a_thread(queue).on_queue(queue).dispatch()
    worker = Worker([queue])
    running = asyncio.ensure_future(worker.run())
    await until(lambda: seen[f"{queue} began"])
    worker.stop()
    thread_gates[queue].set()
    await running
    assert await handle.result(timeout=0) == queue


@pytest.mark.asyncio
async def test_a_thread_that_runs_on_keeps_its_lease_and_runs_nowhere_else(
    memory: MemoryDriver, queue: str, until
) -> None:
    asynctasq.init({"driver": "memory", "shutdown_timeout": 0, "stop_grace": 0.05})
    thread_gates[queue] = threading.Event()
    handle = await pass_in_a_thread(queue).on_queue(queue).dispatch()
    began = time.monotonic()
    async with Worker([queue]):
        await until(lambda: seen[f"{queue} began"])
    assert time.monotonic() - began < 2
    left = await memory.get(handle.ref)
    assert left is not None
    assert left.state == "running"
    thread_gates[queue].set()


@pytest.mark.asyncio
async def test_a_worker_that_is_cancelled_stops_in_the_same_order(
    memory: MemoryDriver, queue: str, gate: asyncio.Event, until
) -> None:
    asynctasq.init({"driver": "memory", "shutdown_timeout": 0.05})
    for _ in range(5):
        await pass_gate(queue).on_queue(queue).dispatch()
    running = asyncio.ensure_future(Worker([queue], concurrency=1).run())
    await until(lambda: seen[f"{queue} began"])
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    (stats,) = await memory.stats([queue])
    assert (stats.pending, stats.running) == (5, 0)


@pytest.mark.asyncio
async def test_an_idle_worker_stops_at_once(memory: MemoryDriver, queue: str) -> None:
    began = time.monotonic()
    async with Worker([queue]):
        await asyncio.sleep(0.02)
    assert time.monotonic() - began < 4  # it may ask for 5 s at a time
