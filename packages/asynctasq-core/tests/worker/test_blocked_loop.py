"""A task that blocks its event loop delays others, and loses no lease, heartbeat or connection."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

import asynctasq
from asynctasq import task
from asynctasq.memory import MemoryDriver
from asynctasq.worker import Worker

runs: Counter[str] = Counter()


gates: dict[str, threading.Event] = {}


@task(name="blocked.sleep")
async def block(key: str, seconds: float) -> str:
    runs[key] += 1
    time.sleep(seconds)  # noqa: ASYNC251
    return key


@task(name="blocked.at_a_gate")
async def block_at_a_gate(key: str) -> str:
    runs[key] += 1
    gates[key].wait(20)
    return key


@task(name="blocked.within")
async def block_in_a_part_of_it(key: str) -> None:
    async def part() -> None:
        gates[key].wait(20)

    runs[key] += 1
    await asyncio.gather(part(), asyncio.sleep(0))


@task(name="blocked.beside")
async def beside(key: str) -> str:
    runs[key] += 1
    await asyncio.sleep(0)
    return key


@pytest.fixture
def gate(queue: str) -> Iterator[threading.Event]:
    """Tasks of this queue block their loop until it is set."""
    gates[queue] = threading.Event()
    yield gates[queue]
    gates[queue].set()


@pytest.mark.asyncio
async def test_a_task_that_blocks_its_loop_for_four_leases_runs_once_and_is_named(
    memory: MemoryDriver,
    queue: str,
    short_leases,
    apart,
    loop: str,
    until,
    clock,
    gate: threading.Event,
    caplog: pytest.LogCaptureFixture,
) -> None:
    short_leases.lease = 0.3
    asynctasq.init({"driver": "probe", "keep_completed_tasks": True})
    handle = await block_at_a_gate(queue).on_queue(queue).dispatch()
    async with apart(Worker([queue]), loop) as one:
        await until(lambda: runs[queue])
        began = clock()
        async with apart(Worker([queue]), loop) as other:
            await until(lambda: "blocks the event loop" in caplog.text)
            await until(lambda: clock() - began > 4 * short_leases.lease)
            gate.set()
            assert await handle.result(timeout=5) == queue
            await until(lambda: "the event loop goes on" in caplog.text)
    assert runs[queue] == 1
    assert (one.completed, other.completed) == (1, 0)
    ended = await memory.get(handle.ref)
    assert ended is not None
    assert (ended.state, ended.deliveries) == ("completed", 1)
    (told,) = [r.getMessage() for r in caplog.records if "blocks the event loop" in r.getMessage()]
    assert told.startswith(f"task blocked.at_a_gate {handle.id} (queue {queue}) blocks")
    assert "test_blocked_loop.py" in told
    assert "in block_at_a_gate\n    gates[key].wait(20)" in told
    assert "asyncio" not in told  # of the stack, what its author knows
    assert caplog.text.index("blocks the event loop") < caplog.text.index("goes on")
    assert "lost" not in caplog.text


@pytest.mark.asyncio
async def test_a_part_of_a_task_that_blocks_is_shown_by_its_stack(
    memory, queue: str, apart, until, gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    async with apart(Worker([queue])) as worker:
        await block_in_a_part_of_it(queue).on_queue(queue).dispatch()
        await until(lambda: "blocks the event loop" in caplog.text)
        gate.set()
        await until(lambda: worker.completed)
    assert "in part\n    gates[key].wait(20)" in caplog.text


@pytest.mark.asyncio
async def test_what_waits_behind_a_blocked_loop_keeps_its_lease_and_runs_after_it(
    memory: MemoryDriver, queue: str, short_leases, apart, until
) -> None:
    short_leases.lease = 0.2
    asynctasq.init({"driver": "probe", "keep_completed_tasks": True})
    handles = [await block(queue, 0.45).on_queue(queue).dispatch()]
    handles += [await beside(queue).on_queue(queue).dispatch() for _ in range(5)]
    async with apart(Worker([queue], concurrency=10)):
        for handle in handles:
            assert await handle.result(timeout=5) == queue
    assert runs[queue] == 6
    for handle in handles:
        ended = await memory.get(handle.ref)
        assert ended is not None
        assert ended.deliveries == 1


@pytest.mark.asyncio
async def test_what_a_blocked_worker_cannot_start_others_run(
    memory: MemoryDriver, queue: str, apart, until, gate: threading.Event
) -> None:
    """It takes no more while it is blocked, and what it had taken before is given back."""
    blocker = await block_at_a_gate(queue).on_queue(queue).dispatch()
    async with apart(Worker([queue], concurrency=4)) as blocked:
        await until(lambda: runs[queue])
        key = f"{queue}-beside"
        handles = [await beside(key).on_queue(queue).dispatch() for _ in range(20)]
        await until(lambda: blocked.snapshot().blocked)
        async with apart(Worker([queue], concurrency=1)) as other:
            for handle in handles:
                assert await handle.result(timeout=10) == key
        assert blocked.completed == 0
        assert other.completed == 20
        gate.set()
        assert await blocker.result(timeout=5) == queue
