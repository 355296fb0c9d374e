"""stuck_after: a worker in which nothing begins or ends is replaced; a slow one is not."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

import asynctasq
from asynctasq import task
from asynctasq.errors import WorkerFailed
from asynctasq.memory import MemoryDriver
from asynctasq.worker import ExitCode, Worker, _watch

runs: Counter[str] = Counter()
gates: dict[str, asyncio.Event] = {}


@task(name="stuck.sleep")
async def sleep(key: str, seconds: float) -> None:
    runs[key] += 1
    await asyncio.sleep(seconds)


@task(name="stuck.pass_gate")
async def pass_gate(key: str) -> None:
    await gates[key].wait()


@pytest.mark.asyncio
async def test_where_nothing_begins_or_ends_the_worker_says_so_and_ends(
    memory: MemoryDriver, queue: str
) -> None:
    asynctasq.init({"driver": "memory", "shutdown_timeout": 5, "stop_grace": 0.1})
    handles = [await sleep(queue, 60).on_queue(queue).dispatch() for _ in range(3)]
    worker = Worker([queue], concurrency=2, stuck_after=0.4)
    with pytest.raises(WorkerFailed, match=r"within 0\.4 s; running: stuck\.sleep") as failed:
        async with asyncio.timeout(10):
            await worker.run()
    assert failed.value.code == worker.exit_code == ExitCode.STUCK
    assert runs[queue] == 2
    left = await memory.get(handles[2].ref)
    assert left is not None
    assert (left.state, left.deliveries) == ("pending", 0)


@pytest.mark.asyncio
async def test_slow_work_that_moves_is_not_stuck(memory, queue: str) -> None:
    gates[queue] = asyncio.Event()
    long = await pass_gate(queue).on_queue(queue).dispatch()
    async with Worker([queue], concurrency=2, stuck_after=1.2) as worker:
        for _ in range(8):
            await (await sleep(queue, 0.2).on_queue(queue).dispatch()).result(timeout=5)
        gates[queue].set()
        await long.result(timeout=5)
    assert (worker.completed, worker.exit_code) == (9, ExitCode.DONE)


@pytest.mark.asyncio
async def test_an_idle_worker_is_not_stuck(memory, queue: str) -> None:
    async with Worker([queue], stuck_after=0.3) as worker:
        await asyncio.sleep(0.7)
        await (await sleep(queue, 0).on_queue(queue).dispatch()).result(timeout=5)
        await asyncio.sleep(0.7)
        await (await sleep(queue, 0).on_queue(queue).dispatch()).result(timeout=5)
    assert worker.completed == 2


@pytest.mark.asyncio
async def test_an_idle_worker_is_not_stuck_where_a_look_at_it_comes_late(
    memory, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_watch, "_LOOK", 0.6)
    async with Worker([queue], stuck_after=0.3) as worker:
        await (await sleep(queue, 0).on_queue(queue).dispatch()).result(timeout=5)
        await asyncio.sleep(0.9)
    assert (worker.completed, worker.exit_code) == (1, ExitCode.DONE)
