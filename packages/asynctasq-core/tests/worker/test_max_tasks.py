"""max_tasks: exactly so many run, then the worker ends and gives back all that it held."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

import asynctasq
from asynctasq import task
from asynctasq.driver import Message
from asynctasq.memory import MemoryDriver
from asynctasq.worker import ExitCode, Worker

from .conftest import lose

runs: Counter[str] = Counter()


@task(name="max_tasks.note")
async def note(key: str) -> None:
    runs[key] += 1
    await asyncio.sleep(0)


@task(name="max_tasks.note_in_a_thread")
def note_in_a_thread(key: str) -> None:
    runs[key] += 1


@task(name="max_tasks.fail", max_attempts=2, retry_delay=0, retry_strategy="fixed")
async def fail(key: str) -> None:
    runs[key] += 1
    raise LookupError


async def run_three(queue: str, concurrency: int) -> Worker:
    worker = Worker([queue], concurrency=concurrency, max_tasks=3)
    async with asyncio.timeout(20):
        await worker.run()
    assert worker.exit_code is ExitCode.DONE
    return worker


@pytest.mark.parametrize("kind", [note, note_in_a_thread])
@pytest.mark.parametrize("concurrency", [1, 10])
@pytest.mark.asyncio
async def test_exactly_so_many_run_and_the_rest_is_untouched(
    memory: MemoryDriver, queue: str, concurrency: int, kind
) -> None:
    handles = await asynctasq.dispatch_many([kind(queue).on_queue(queue) for _ in range(11)])
    worker = await run_three(queue, concurrency)
    assert (runs[queue], worker.completed) == (3, 3)
    for handle in handles[3:]:
        left = await memory.get(handle.ref)
        assert left is not None
        assert (left.state, left.attempt, left.deliveries) == ("pending", 1, 0)


@pytest.mark.parametrize("concurrency", [1, 10])
@pytest.mark.asyncio
async def test_each_attempt_counts(memory: MemoryDriver, queue: str, concurrency: int) -> None:
    handles = [await fail(queue).on_queue(queue).dispatch() for _ in range(2)]
    worker = await run_three(queue, concurrency)
    assert (runs[queue], worker.failed) == (3, 3)
    left = [await memory.get(handle.ref) for handle in handles]
    assert sorted(one.state for one in left if one) == ["dead", "pending"]


@pytest.mark.parametrize("concurrency", [1, 10])
@pytest.mark.asyncio
async def test_what_cannot_be_read_has_not_run(
    memory: MemoryDriver, queue: str, concurrency: int
) -> None:
    await memory.enqueue(
        [Message(queue=queue, body=b"garbage", visibility_timeout=30) for _ in range(4)]
    )
    await asynctasq.dispatch_many([note(queue).on_queue(queue) for _ in range(5)])
    worker = await run_three(queue, concurrency)
    assert (runs[queue], worker.completed) == (3, 3)
    (stats,) = await memory.stats([queue])
    assert (stats.pending, stats.scheduled, stats.running) == (2, 4, 0)


@pytest.mark.parametrize("concurrency", [1, 10])
@pytest.mark.asyncio
async def test_what_is_given_back_as_a_suspect_has_not_run(
    memory: MemoryDriver, queue: str, concurrency: int
) -> None:
    handles = [await note(queue).on_queue(queue).dispatch() for _ in range(5)]
    await lose(memory, queue, 2, count=5)
    worker = await run_three(queue, concurrency)
    assert (runs[queue], worker.completed) == (3, 3)
    left = [await memory.get(handle.ref) for handle in handles]
    assert [(one.attempt, one.deliveries) for one in left if one] == [(1, 2)] * 2


@pytest.mark.asyncio
async def test_fewer_are_waited_for(memory, queue: str) -> None:
    running = asyncio.ensure_future(run_three(queue, 10))
    for _ in range(3):
        assert not running.done()
        await (await note(queue).on_queue(queue).dispatch()).result(timeout=5)
    assert (await running).completed == 3
