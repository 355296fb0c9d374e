"""No part of a worker dies unnoticed: run() raises what it died of, and an exit code says why."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any

import pytest

from asynctasq import task
from asynctasq.driver import Release
from asynctasq.errors import BackendRefused
from asynctasq.memory import MemoryDriver
from asynctasq.worker import ExitCode, Worker

runs: Counter[str] = Counter()
gates: dict[str, asyncio.Event] = {}


@task(name="parts.note")
async def note(key: str) -> str:
    runs[key] += 1
    return key


@task(name="parts.pass_gate")
async def pass_gate(key: str) -> str:
    runs[key] += 1
    await gates[key].wait()
    return key


class Broken(MemoryDriver):
    """Its verbs do what they promise until a test names one to fail."""

    failing: dict[str, BaseException]
    failed: set[str]

    def _check(self, verb: str) -> None:
        if verb in self.failing:
            self.failed.add(verb)
            raise self.failing[verb]

    async def dequeue(self, queues: Any, *, limit: int, wait: float) -> Any:
        self._check("dequeue")
        return await super().dequeue(queues, limit=limit, wait=min(wait, 0.02))

    async def extend(self, deliveries: Any) -> Any:
        self._check("extend")
        return await super().extend(deliveries)

    async def settle(self, outcomes: Any) -> Any:
        self._check("settle")
        if any(isinstance(outcome, Release) for outcome in outcomes):
            self._check("release")
        return await super().settle(outcomes)


@pytest.fixture
def broken(use) -> type[Broken]:
    """The configured driver."""
    driver = type("OfThisTest", (Broken,), {"failing": {}, "failed": set()})
    use(driver)
    return driver


async def died(worker: Worker, running: asyncio.Future[None], error: type[Exception]) -> None:
    with pytest.raises(error, match="a bug of the driver"):
        async with asyncio.timeout(5):
            await running


@pytest.mark.parametrize("verb", ["dequeue", "extend"])
@pytest.mark.asyncio
async def test_what_runs_is_finished_and_settled_when_another_part_dies(
    broken, memory: MemoryDriver, queue: str, until, patient, verb: str
) -> None:
    gates[queue] = asyncio.Event()
    worker = Worker([queue], concurrency=2)
    running = asyncio.ensure_future(worker.run())
    await (await note(f"{queue} short").on_queue(queue).dispatch()).result(timeout=5)
    calls = [pass_gate(queue).on_queue(queue).visibility_timeout(1) for _ in range(3)]
    handles = [await call.dispatch() for call in calls]
    # Two run, one waits beside them, and there is room for one more to ask for.
    while (await memory.stats([queue]))[0].running != 3:
        await asyncio.sleep(0.005)
    broken.failing[verb] = ZeroDivisionError("a bug of the driver")
    if verb == "extend":
        await until(lambda: broken.failed)  # a lease is renewed after a third of it
    while (await memory.stats([queue]))[0].pending == 0:  # the buffer is given back
        await asyncio.sleep(0.005)
    gates[queue].set()
    await died(worker, running, ZeroDivisionError)
    assert worker.exit_code is ExitCode.PART_DIED
    assert worker.completed == 3
    assert [await handle.result(timeout=1) for handle in handles[:2]] == [queue, queue]
    left = await memory.get(handles[2].ref)
    assert left is not None
    assert (left.state, left.deliveries) == ("pending", 0)


@pytest.mark.asyncio
async def test_settling_that_dies_ends_the_worker(
    broken, memory: MemoryDriver, queue: str, until
) -> None:
    broken.failing["settle"] = ZeroDivisionError("a bug of the driver")
    worker = Worker([queue])
    handle = await note(queue).on_queue(queue).dispatch()
    await died(worker, asyncio.ensure_future(worker.run()), ZeroDivisionError)
    assert (worker.exit_code, worker.completed) == (ExitCode.PART_DIED, 0)
    left = await memory.get(handle.ref)
    assert left is not None
    assert left.state == "running"


@pytest.mark.asyncio
async def test_settling_that_dies_while_the_worker_stops_is_no_clean_end(
    broken, memory: MemoryDriver, queue: str, until, patient
) -> None:
    broken.failing["release"] = ZeroDivisionError("a bug of the driver")
    gates[queue] = asyncio.Event()
    worker = Worker([queue], concurrency=1)
    running = asyncio.ensure_future(worker.run())
    await (await note(queue).on_queue(queue).dispatch()).result(timeout=5)
    for _ in range(2):
        await pass_gate(queue).on_queue(queue).dispatch()
    while (await memory.stats([queue]))[0].running != 2:  # one runs, one waits beside it
        await asyncio.sleep(0.005)
    worker.stop()
    await until(lambda: broken.failed)
    gates[queue].set()
    await died(worker, running, ZeroDivisionError)
    assert worker.exit_code is ExitCode.PART_DIED


@pytest.mark.asyncio
async def test_a_backend_that_refuses_for_good_is_no_silent_idling(
    broken, memory: MemoryDriver, queue: str, until
) -> None:
    worker = Worker([queue])
    running = asyncio.ensure_future(worker.run())
    assert await (await note(queue).on_queue(queue).dispatch()).result(timeout=5) == queue
    broken.failing["dequeue"] = BackendRefused("no such table: a bug of the driver")
    await died(worker, running, BackendRefused)
    assert (worker.exit_code, worker.completed) == (ExitCode.BACKEND_REFUSED, 1)


@pytest.mark.asyncio
async def test_opening_the_backend_can_be_stopped(use, queue: str) -> None:
    class Slow(MemoryDriver):
        async def open(self) -> None:
            opening.set()
            await asyncio.Event().wait()

    opening = threading.Event()
    use(Slow)
    async with asyncio.timeout(5):
        async with Worker([queue]):
            await asyncio.to_thread(opening.wait, 5)
