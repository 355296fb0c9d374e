"""What a task dispatches goes through the open driver of its worker's I/O loop."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest

import asynctasq
from asynctasq import task
from asynctasq.memory import MemoryDriver
from asynctasq.worker import Worker

runs: Counter[str] = Counter()
gates: dict[str, threading.Event] = {}


@task(name="dispatching.leaf")
async def leaf(key: str) -> str:
    runs[key] += 1
    return key


@task(name="dispatching.branch")
async def branch(key: str, queue: str) -> str:
    await (await leaf(key).on_queue(queue).dispatch()).result(timeout=5)
    (handle,) = await asynctasq.dispatch_many([leaf(key).on_queue(queue)])
    return await handle.result(timeout=5)


@task(name="dispatching.branch_in_a_thread")
def branch_in_a_thread(key: str, queue: str) -> str:
    leaf(key).on_queue(queue).dispatch_sync()
    return leaf(key).on_queue(queue).dispatch_sync().result_sync(timeout=5)


@task(name="dispatching.late")
def late(key: str, queue: str) -> None:
    runs[f"{key} began"] += 1
    gates[key].wait(5)
    leaf(key).on_queue(queue).dispatch_sync()
    runs[f"{key} dispatched"] += 1


@pytest.fixture
def opened(use) -> list[str]:
    """The threads in which drivers were opened."""
    threads: list[str] = []

    class Counting(MemoryDriver):
        async def open(self) -> None:
            threads.append(threading.current_thread().name)
            await super().open()

    use(Counting)
    return threads


@pytest.mark.parametrize("kind", [branch, branch_in_a_thread])
@pytest.mark.asyncio
async def test_one_open_driver_serves_all_of_them(
    opened, memory: MemoryDriver, queue: str, kind: Any, until
) -> None:
    await kind(queue, queue).on_queue(queue).dispatch()
    opened.clear()  # of the program beside it
    async with Worker([queue], concurrency=4) as worker:
        await until(lambda: worker.completed == 3)
    assert runs[queue] == 2
    assert opened == ["asynctasq-io"]


@pytest.mark.asyncio
async def test_a_thread_that_outlives_its_worker_can_still_dispatch(
    memory: MemoryDriver, queue: str, until
) -> None:
    asynctasq.init({"driver": "memory", "shutdown_timeout": 0, "stop_grace": 0.05})
    gates[queue] = threading.Event()
    async with Worker([queue]):
        await late(queue, f"{queue}-leaf").on_queue(queue).dispatch()
        await until(lambda: runs[f"{queue} began"])
    gates[queue].set()
    await until(lambda: runs[f"{queue} dispatched"])
    (stats,) = await memory.stats([f"{queue}-leaf"])
    assert stats.pending == 1
