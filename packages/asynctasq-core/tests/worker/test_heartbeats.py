"""What a worker tells of itself: that it came, that it lives, that it went."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import pytest

import asynctasq
from asynctasq import task
from asynctasq.events import Event, WorkerHeartbeat, WorkerOffline, WorkerOnline
from asynctasq.worker import Worker

gates: dict[str, asyncio.Event] = {}
blocked: dict[str, threading.Event] = {}
runs: Counter[str] = Counter()


@task(name="heartbeats.pass_gate")
async def pass_gate(key: str) -> None:
    runs[key] += 1
    await gates[key].wait()


@task(name="heartbeats.fail", max_attempts=1)
async def fail() -> None:
    raise LookupError


@task(name="heartbeats.block")
async def block(key: str) -> None:
    blocked[key].wait(20)


def beats(events: list[Event]) -> list[WorkerHeartbeat]:
    return [event for event in events if isinstance(event, WorkerHeartbeat)]


@pytest.mark.asyncio
async def test_it_tells_what_runs_and_what_has_run(memory, queue: str, recorder, until) -> None:
    asynctasq.init({"driver": "memory", "heartbeat_interval": 0.05}, [recorder])
    gates[queue] = asyncio.Event()
    async with Worker([queue], concurrency=3) as worker:
        await until(lambda: beats(recorder.events))
        for _ in range(2):
            await pass_gate(queue).on_queue(queue).dispatch()
        await fail().on_queue(queue).dispatch()
        await until(lambda: worker.failed and runs[queue] == 2)
        seen = len(beats(recorder.events)) + 1
        await until(lambda: len(beats(recorder.events)) > seen)
        gates[queue].set()
        await until(lambda: worker.completed == 2)
        seen = len(beats(recorder.events)) + 1
        await until(lambda: len(beats(recorder.events)) > seen)
    first, *_, last = beats(recorder.events)
    told = [(one.running, one.completed, one.failed) for one in beats(recorder.events)]
    assert (first.queues, first.concurrency) == ((queue,), 3)
    assert (told[0], told[-1]) == ((0, 0, 0), (0, 2, 1))
    assert (2, 0, 1) in told
    assert first.worker == last.worker


@pytest.mark.asyncio
async def test_it_lives_while_its_loop_is_blocked(
    memory, queue: str, recorder, apart, loop: str, until
) -> None:
    asynctasq.init({"driver": "memory", "heartbeat_interval": 0.05}, [recorder])
    blocked[queue] = threading.Event()
    async with apart(Worker([queue]), loop):
        handle = await block(queue).on_queue(queue).dispatch()
        try:
            await until(lambda: len([beat for beat in beats(recorder.events) if beat.running]) >= 5)
        finally:
            blocked[queue].set()
        await handle.result(timeout=5)


@pytest.mark.asyncio
async def test_offline_is_the_last_that_it_tells(memory, queue: str, recorder, until) -> None:
    before = set(threading.enumerate())
    asynctasq.init({"driver": "memory", "heartbeat_interval": 0.01}, [recorder])
    gates[queue] = asyncio.Event()
    async with Worker([queue]) as worker:
        await pass_gate(queue).on_queue(queue).dispatch()
        await until(lambda: runs[queue])
        worker.stop()
        gates[queue].set()
    await until(lambda: any(isinstance(event, WorkerOffline) for event in recorder.events))
    await asynctasq.close()
    assert any(isinstance(event, WorkerOnline) for event in recorder.events)
    last = recorder.events[-1]
    assert isinstance(last, WorkerOffline)
    assert (last.completed, last.failed) == (1, 0)
    started = set(threading.enumerate()) - before
    assert "asynctasq-events" not in {thread.name for thread in started}
