"""A snapshot says what a worker does, from any thread and whatever its event loop is doing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

import asynctasq
from asynctasq import task
from asynctasq.errors import DriverUnavailable
from asynctasq.memory import MemoryDriver
from asynctasq.worker import QueueSnapshot, Worker

gates: dict[str, threading.Event] = {}
tries: dict[str, int] = {}


@task
async def finish() -> None:
    pass


@task(max_attempts=2, retry_delay=0)
async def fail_once(key: str) -> None:
    tries[key] = tries.get(key, 0) + 1
    if tries[key] == 1:
        raise ValueError("the first time")


@task(max_attempts=1)
async def fail() -> None:
    raise ValueError("always")


@task(name="snapshot.wait_at")
def wait_at(key: str) -> None:
    gates[key].wait()


@task
async def block_at(key: str) -> None:
    gates[key].wait()


@pytest.fixture
def gate(queue: str) -> Any:
    gates[queue] = threading.Event()
    yield gates[queue]
    gates[queue].set()


def test_before_it_runs_it_connects_and_has_done_nothing(memory: MemoryDriver) -> None:
    seen = Worker(["a", "b"], concurrency=3).snapshot()
    assert (seen.backend, seen.driver, seen.concurrency) == ("connecting", "memory", 3)
    assert seen.queues == (QueueSnapshot(name="a"), QueueSnapshot(name="b"))


@pytest.mark.asyncio
async def test_it_counts_each_queue_apart(memory: MemoryDriver, queue: str, until: Any) -> None:
    other = f"{queue}-other"
    await asynctasq.dispatch_many([finish().on_queue(queue), fail_once(queue).on_queue(queue)])
    await asynctasq.dispatch_many([fail().on_queue(other), finish().on_queue(other)])
    async with Worker([queue, other]) as worker:
        await until(lambda: worker.completed == 3 and worker.failed == 2)
        seen = worker.snapshot()
    assert seen.backend == "connected"
    assert seen.queues == (
        QueueSnapshot(name=queue, completed=2, failed=1, retried=1),
        QueueSnapshot(name=other, completed=1, failed=1, dead=1),
    )
    assert (seen.completed, seen.failed, seen.retried, seen.dead) == (3, 2, 1, 1)


@pytest.mark.concurrent
@pytest.mark.asyncio
async def test_it_names_what_runs_and_counts_what_waits(
    memory: MemoryDriver, queue: str, gate: threading.Event, until: Any
) -> None:
    handle = await wait_at(queue).on_queue(queue).dispatch()
    async with Worker([queue], concurrency=1) as worker:
        await until(lambda: worker.snapshot().longest)
        seen = worker.snapshot()
        (longest,) = seen.longest
        assert (longest.name, longest.queue) == ("snapshot.wait_at", queue)
        assert (str(longest.id), longest.attempt) == (str(handle), 1)
        assert (seen.running, seen.stops_within) == (1, None)
        await asynctasq.dispatch_many([finish().on_queue(queue)])
        worker.stop()
        await until(lambda: worker.snapshot().stops_within is not None)
        assert 0 < (worker.snapshot().stops_within or 0) <= 30
        gate.set()
    assert worker.snapshot().running == 0


@pytest.mark.concurrent
@pytest.mark.asyncio
async def test_it_says_which_task_blocks_the_loop(
    memory: MemoryDriver, queue: str, gate: threading.Event, until: Any, apart: Any
) -> None:
    handle = await block_at(queue).on_queue(queue).dispatch()
    async with apart(Worker([queue])) as worker:
        await until(lambda: worker.snapshot().blocked)
        blocked = worker.snapshot().blocked
        assert blocked is not None
        assert str(handle) in blocked.by
        assert blocked.seconds > 0.4
        gate.set()
        await until(lambda: worker.snapshot().blocked is None)


class _Away(MemoryDriver):
    away = False

    async def dequeue(self, queues: Any, *, limit: int, wait: float) -> Any:
        if self.away:
            raise DriverUnavailable("gone")
        return await super().dequeue(queues, limit=limit, wait=0.01)


@pytest.mark.asyncio
async def test_it_says_that_the_backend_is_away_and_back(
    use: Callable[..., None], queue: str, until: Any
) -> None:
    driver = type("OfThisTest", (_Away,), {"name": "probe"})
    use(driver)
    async with Worker([queue]) as worker:
        await until(lambda: worker.snapshot().backend == "connected")
        driver.away = True
        await until(lambda: worker.snapshot().backend == "away")
        await until(lambda: worker.snapshot().away_for > 0)
        driver.away = False
        await until(lambda: worker.snapshot().backend == "connected")
        assert worker.snapshot().away_for == 0


@pytest.mark.concurrent
@pytest.mark.asyncio
async def test_any_thread_may_ask_while_tasks_come_and_go(
    memory: MemoryDriver, queue: str, until: Any
) -> None:
    await asynctasq.dispatch_many([finish().on_queue(queue) for _ in range(2000)])
    worker = Worker([queue], concurrency=50, max_tasks=2000)
    done = threading.Event()

    def ask() -> int:
        asked = 0
        while not done.is_set():
            seen = worker.snapshot()
            assert len(seen.longest) <= 10
            assert seen.running <= 60  # 50, and those that begin while it looks
            began.set()
            asked += 1
        return asked

    began = threading.Event()
    asking = asyncio.ensure_future(asyncio.to_thread(ask))
    await until(began.is_set)
    await worker.run()
    done.set()
    assert await asking > 0
    assert worker.snapshot().completed == 2000
