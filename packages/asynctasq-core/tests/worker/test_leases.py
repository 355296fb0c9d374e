"""Leases are renewed while a task runs or waits; what comes again meanwhile runs only once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from asynctasq import task
from asynctasq.driver import Ack, Delivery, Renewed
from asynctasq.errors import DriverUnavailable
from asynctasq.memory import MemoryDriver
from asynctasq.worker import Worker

runs: Counter[str] = Counter()
gates: dict[str, asyncio.Event] = {}


@task
async def outlast(name: str, seconds: float) -> str:
    runs[name] += 1
    await asyncio.sleep(seconds)
    return name


@task
async def pass_gate(name: str) -> str:
    runs[name] += 1
    await gates[name].wait()
    return name


async def three_leases(clock, lease: float, until) -> None:
    """Wait for so long, as the backend sees it."""
    began = clock()
    await until(lambda: clock() - began > 3 * lease)


@pytest.mark.asyncio
async def test_a_task_that_awaits_longer_than_three_leases_runs_once(
    short_leases, memory: MemoryDriver, queue: str, clock, until
) -> None:
    short_leases.lease = 0.25
    gates[queue] = asyncio.Event()
    async with Worker([queue]), Worker([queue]):
        handle = await pass_gate(queue).on_queue(queue).dispatch()
        await until(lambda: runs[queue])
        await three_leases(clock, short_leases.lease, until)
        running = await memory.get(handle.ref)
        gates[queue].set()
        assert await handle.result(timeout=5) == queue
    assert running is not None
    assert (running.state, running.deliveries) == ("running", 1)
    assert runs[queue] == 1


@pytest.mark.asyncio
async def test_what_waits_in_the_buffer_keeps_its_lease(
    short_leases, memory: MemoryDriver, queue: str, clock, until, patient
) -> None:
    short_leases.lease = 0.25
    gates[queue] = asyncio.Event()
    async with Worker([queue], concurrency=1), Worker([f"{queue}-other"]):
        short = await outlast(f"{queue}-short", 0).on_queue(queue).dispatch()
        await short.result(timeout=5)  # none waits here before a task was short
        handles = [await pass_gate(queue).on_queue(queue).dispatch() for _ in range(2)]
        while (await memory.stats([queue]))[0].running != 2:
            await asyncio.sleep(0.005)
        await three_leases(clock, short_leases.lease, until)
        waiting = await memory.get(handles[1].ref)
        gates[queue].set()
        assert [await handle.result(timeout=5) for handle in handles] == [queue, queue]
    assert waiting is not None
    assert (waiting.state, waiting.deliveries) == ("running", 1)
    assert runs[queue] == 2


class Forgetful(MemoryDriver):
    """Never renews a lease, and says nothing of it: the message comes back while it runs."""

    async def enqueue(self, messages: Any) -> Any:

        return await super().enqueue([replace(m, visibility_timeout=0.1) for m in messages])

    settled: ClassVar[list[tuple[str, int, bool]]] = []

    async def extend(self, deliveries: Any) -> Renewed:
        return Renewed()

    async def settle(self, outcomes: Any) -> Any:
        answer = await super().settle(outcomes)
        for outcome in outcomes:
            delivery: Delivery = outcome.delivery
            lost = delivery in answer.lost
            self.settled.append((outcome.name, delivery.deliveries, lost))
        return answer


@pytest.mark.asyncio
async def test_what_is_handed_out_again_while_it_runs_takes_over_the_new_receipt(
    use, memory: MemoryDriver, queue: str, until
) -> None:
    use(Forgetful, max_losses=100)
    Forgetful.settled.clear()
    gates[queue] = asyncio.Event()
    async with Worker([queue]) as worker:
        handle = await pass_gate(queue).on_queue(queue).dispatch()
        while True:
            task = await memory.get(handle.ref)
            assert task is not None
            if task.deliveries >= 3:
                break
            await asyncio.sleep(0.01)
        gates[queue].set()
        assert await handle.result(timeout=5) == queue
        await until(lambda: worker.completed)
    assert runs[queue] == 1
    assert [name for name, _, lost in Forgetful.settled if not lost] == [Ack.name]


@pytest.mark.asyncio
async def test_a_worker_that_lost_its_lease_can_not_settle_the_run_of_its_successor(
    use, memory: MemoryDriver, queue: str, until, caplog: pytest.LogCaptureFixture
) -> None:
    use(Forgetful)
    gates[queue] = asyncio.Event()
    slow, other = Worker([queue]), Worker([queue])
    handle = await pass_gate(queue).on_queue(queue).dispatch()
    first = asyncio.ensure_future(slow.run())
    await until(lambda: runs[queue] == 1)
    slow.stop()  # it fetches no more, so that the successor is another one
    second = asyncio.ensure_future(other.run())
    await until(lambda: runs[queue] == 2)
    gates[queue].set()
    assert await handle.result(timeout=5) == queue
    other.stop()
    await asyncio.gather(first, second)
    assert (slow.completed + other.completed, slow.failed + other.failed) == (1, 0)
    assert "was lost before it was settled" in caplog.text


class Stolen(MemoryDriver):
    """Says of every lease that it is somebody else's by now."""

    async def extend(self, deliveries: Any) -> Renewed:
        return Renewed(lost=tuple(deliveries))


@pytest.mark.asyncio
async def test_a_lease_that_was_lost_is_told_while_its_task_runs(
    use, memory: MemoryDriver, queue: str, until, caplog: pytest.LogCaptureFixture
) -> None:
    use(Stolen)
    gates[queue] = asyncio.Event()
    async with Worker([queue]):
        handle = await pass_gate(queue).on_queue(queue).visibility_timeout(1).dispatch()
        await until(lambda: "was lost while it ran" in caplog.text)
        gates[queue].set()
        await handle.result(timeout=5)
    assert str(handle.id) in caplog.text


@pytest.mark.asyncio
async def test_what_was_lost_before_it_began_is_not_run_here(
    use, memory: MemoryDriver, queue: str, until, patient, caplog: pytest.LogCaptureFixture
) -> None:
    use(Stolen)
    gates[queue] = asyncio.Event()
    async with Worker([queue], concurrency=1) as worker:
        await (await outlast(f"{queue}-short", 0).on_queue(queue).dispatch()).result(timeout=5)
        running = await pass_gate(queue).on_queue(queue).dispatch()
        await until(lambda: runs[queue] == 1)
        await outlast(f"{queue}-lost", 0).on_queue(queue).visibility_timeout(1).dispatch()
        await until(lambda: "was lost before it began" in caplog.text)
        gates[queue].set()
        assert await running.result(timeout=5) == queue
    assert worker.completed == 2
    assert runs[f"{queue}-lost"] == 0


@pytest.mark.asyncio
async def test_renewing_is_tried_again_with_patience_while_the_backend_is_away(
    use, memory: MemoryDriver, queue: str, until, caplog: pytest.LogCaptureFixture
) -> None:
    class Away(MemoryDriver):
        failed: ClassVar[list[float]] = []
        renewed = 0

        async def extend(self, deliveries: Any) -> Renewed:
            if not back.is_set():
                Away.failed.append(time.monotonic())
                raise DriverUnavailable("restarting")
            Away.renewed += 1
            return await super().extend(deliveries)

    use(Away)
    back = asyncio.Event()
    gates[queue] = asyncio.Event()
    before = time.monotonic()
    async with Worker([queue]):
        handle = await pass_gate(queue).on_queue(queue).visibility_timeout(1.2).dispatch()
        await until(lambda: len(Away.failed) >= 4)
        back.set()
        await until(lambda: Away.renewed)
        gates[queue].set()
        await handle.result(timeout=5)
    # First after a third of the lease, then each time after a twentieth of it.
    latest = Away.failed[-1] - before
    assert latest >= 1.2 / 3 + (len(Away.failed) - 1) * 1.2 / 20
    assert caplog.text.count("leases could not be renewed") == len(Away.failed)
    assert runs[queue] == 1
