"""Leases of tasks that acknowledge themselves: lost before the commit, renewed across it."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest

import asynctasq
from asynctasq import task
from asynctasq.driver import Ack, Delivery, Message, Renewed
from asynctasq.errors import DriverUnavailable, LeaseLost
from asynctasq.memory import MemoryDriver
from asynctasq.worker import Worker

from .effects import Scripted, gone, raising, write

runs: Counter[str] = Counter()
gates: dict[str, asyncio.Event] = {}
failed: list[str] = []


class Pay(asynctasq.AsyncTask[str]):
    queue: str

    async def execute(self) -> str:
        runs[self.queue] += 1
        await gates[self.queue].wait()
        async with asynctasq.transaction() as connection:
            await write(self.queue, connection)
        return "paid"

    async def failed(self, error: Exception) -> None:
        failed.append(self.queue)


class Forgetful(Scripted):
    """Never renews a lease, and says nothing of it."""

    lease = 0.1

    async def extend(self, deliveries: Any) -> Renewed:
        return Renewed()


async def taken(memory: MemoryDriver, queue: str) -> Delivery:
    """The task of a queue, once its lease has ended."""
    (delivery,) = await memory.dequeue([queue], limit=1, wait=5)
    return delivery


@pytest.mark.asyncio
async def test_whose_lease_was_lost_commits_nothing_and_has_not_failed(
    use, memory: MemoryDriver, queue: str, effects, until, recorder, caplog
) -> None:
    use(Forgetful)
    asynctasq.init({"driver": "probe"}, event_emitters=[recorder])
    gates[queue] = asyncio.Event()
    worker = Worker([queue])
    handle = await Pay(queue).on_queue(queue).max_attempts(1).dispatch()
    running = asyncio.ensure_future(worker.run())
    await until(lambda: runs[queue])
    worker.stop()  # it fetches no more, so that the successor is another one
    successor = await taken(memory, queue)
    gates[queue].set()
    await running
    assert (await effects(), worker.completed, worker.failed) == (0, 0, 0)
    assert f"{handle.id} (queue {queue}) was lost before it was settled" in caplog.text
    await asynctasq.close()  # all is told
    assert recorder.names() == ["task_enqueued", "task_started"]
    assert queue not in failed
    assert (await memory.settle([Ack(successor)])).lost == ()


@pytest.mark.asyncio
async def test_who_catches_the_loss_of_its_lease_completes_nothing(
    use, memory: MemoryDriver, queue: str, effects, until
) -> None:
    use(Forgetful)
    gates[queue] = asyncio.Event()

    @task(name=f"{queue}-catches")
    async def catch() -> str:
        runs[queue] += 1
        await gates[queue].wait()
        try:
            async with asynctasq.transaction() as connection:
                await write(queue, connection)
        except LeaseLost:
            with pytest.raises(RuntimeError, match="somebody else has this task"):
                await asynctasq.transaction().__aenter__()
            runs[f"{queue}-caught"] += 1
        return "as if nothing had happened"

    worker = Worker([queue])
    await catch().on_queue(queue).dispatch()
    running = asyncio.ensure_future(worker.run())
    await until(lambda: runs[queue])
    worker.stop()
    successor = await taken(memory, queue)
    gates[queue].set()
    await running
    assert (await effects(), worker.completed, runs[f"{queue}-caught"]) == (0, 0, 1)
    assert (await memory.settle([Ack(successor)])).lost == ()


@pytest.mark.asyncio
async def test_what_is_handed_out_again_to_its_own_worker_commits_on_the_new_receipt(
    use, memory: MemoryDriver, queue: str, effects, until
) -> None:
    use(Forgetful, max_losses=100)
    gates[queue] = asyncio.Event()
    async with Worker([queue]) as worker:
        handle = await Pay(queue).on_queue(queue).dispatch()
        while (await _deliveries(memory, handle)) < 3:
            await asyncio.sleep(0.005)
        gates[queue].set()
        assert await handle.result(timeout=5) == "paid"
        await until(lambda: worker.completed == 1)
    assert (await effects(), runs[queue]) == (1, 1)


async def _deliveries(memory: MemoryDriver, handle: asynctasq.TaskHandle[str]) -> int:
    stored = await memory.get(handle.ref)
    assert stored is not None
    return stored.deliveries


@pytest.mark.asyncio
async def test_what_is_handed_out_again_just_then_is_acknowledged_on_the_new_receipt(
    use, memory: MemoryDriver, queue: str, effects, until
) -> None:
    again = threading.Event()

    class JustThen(Forgetful):
        lease = 0.2
        asked: int = 0

        async def dequeue(self, queues: Any, *, limit: int, wait: float) -> Any:
            came = await super().dequeue(queues, limit=limit, wait=wait)
            if any(delivery.deliveries > 1 for delivery in came):
                asyncio.get_running_loop().call_soon(again.set)  # once they are taken over
            return came

        async def settle_in(self, connection: Any, ack: Ack) -> bool:
            JustThen.asked += 1
            await asyncio.to_thread(again.wait, 5)
            return await super().settle_in(connection, ack)

    use(JustThen)
    gates[queue] = asyncio.Event()
    gates[queue].set()
    async with Worker([queue]) as worker:
        handle = await Pay(queue).on_queue(queue).dispatch()
        assert await handle.result(timeout=5) == "paid"
        await until(lambda: worker.completed == 1)
    assert (await effects(), runs[queue], JustThen.asked) == (1, 1, 2)


@task
async def pay_in_any_case(queue: str) -> str:
    runs[queue] += 1
    with suppress(LeaseLost):
        async with asynctasq.transaction() as connection:
            await write(queue, connection)
    return "paid"


@pytest.mark.parametrize("kind", [Pay, pay_in_any_case])
@pytest.mark.asyncio
async def test_what_this_worker_holds_after_all_runs_again(
    scripted: type[Scripted], memory: MemoryDriver, queue: str, effects, until, kind: Any
) -> None:
    gates[queue] = asyncio.Event()
    gates[queue].set()

    async def once(self: Scripted, connection: Any, ack: Ack) -> bool:
        return runs[queue] > 1 and await MemoryDriver.settle_in(self, connection, ack)

    scripted.settle_in = once  # type: ignore[method-assign]
    async with Worker([queue]) as worker:
        handle = await kind(queue).on_queue(queue).max_attempts(1).dispatch()
        assert await handle.result(timeout=5) == "paid"
        await until(lambda: worker.completed == 1)
    assert (await effects(), runs[queue], worker.failed) == (1, 2, 0)


@pytest.mark.parametrize("when", ["before_commit", "after_commit"])
@pytest.mark.asyncio
async def test_a_lease_that_is_renewed_while_its_task_commits_is_not_lost(
    scripted: type[Scripted],
    memory: MemoryDriver,
    queue: str,
    effects,
    until,
    caplog: pytest.LogCaptureFixture,
    when: str,
) -> None:
    renewed = threading.Semaphore(0)

    async def extend(self: Scripted, deliveries: Any) -> Renewed:
        renewed.release()
        return await MemoryDriver.extend(self, deliveries)

    async def wait_for_renewals() -> None:
        for _ in range(4):
            assert await asyncio.to_thread(renewed.acquire, timeout=5)

    scripted.lease = 0.1
    scripted.extend = extend  # type: ignore[method-assign]
    setattr(scripted, when, staticmethod(wait_for_renewals))
    gates[queue] = asyncio.Event()
    gates[queue].set()
    async with Worker([queue]) as worker:
        handle = await Pay(queue).on_queue(queue).dispatch()
        assert await handle.result(timeout=5) == "paid"
        await until(lambda: worker.completed == 1)
    assert (await effects(), runs[queue]) == (1, 1)
    assert "lost" not in caplog.text


@pytest.mark.asyncio
async def test_a_lease_that_is_renewed_after_the_commit_is_not_lost(
    scripted: type[Scripted], memory: MemoryDriver, queue: str, caplog: pytest.LogCaptureFixture
) -> None:
    renewed = threading.Semaphore(0)

    async def extend(self: Scripted, deliveries: Any) -> Renewed:
        renewed.release()
        return await MemoryDriver.extend(self, deliveries)

    @task(name=f"{queue}-lingers")
    async def linger() -> str:
        async with asynctasq.transaction() as connection:
            await write(queue, connection)
        for _ in range(4):
            assert await asyncio.to_thread(renewed.acquire, timeout=5)
        return "late"

    scripted.lease = 0.1
    scripted.extend = extend  # type: ignore[method-assign]
    async with Worker([queue]):
        handle = await linger().on_queue(queue).dispatch()
        assert await handle.result(timeout=5) == "late"
    assert "lost" not in caplog.text


@pytest.mark.asyncio
async def test_a_lease_lost_after_a_rollback_is_told(
    scripted: type[Scripted], queue: str, until, caplog: pytest.LogCaptureFixture
) -> None:
    rolled_back = threading.Event()

    async def extend(self: Scripted, deliveries: Any) -> Renewed:
        return Renewed(tuple(deliveries) if rolled_back.is_set() else ())

    @task(name=f"{queue}-rolls-back")
    async def roll_back() -> str:
        with pytest.raises(DriverUnavailable):
            async with asynctasq.transaction() as connection:
                await write(queue, connection)
        rolled_back.set()
        await until(lambda: "was lost while it ran" in caplog.text)
        return "told"

    scripted.lease = 0.1
    scripted.extend = extend  # type: ignore[method-assign]
    scripted.before_commit = raising(DriverUnavailable("restarting"))
    async with Worker([queue]):
        handle = await roll_back().on_queue(queue).dispatch()
        assert await handle.result(timeout=5) == "told"


@pytest.mark.asyncio
async def test_the_same_id_sent_again_while_its_task_goes_on_after_the_commit_is_not_run_again(
    memory: MemoryDriver, queue: str, effects, until
) -> None:
    gates[queue] = asyncio.Event()

    @task(name=f"{queue}-lingers", store_result=False)
    async def linger() -> None:
        runs[queue] += 1
        async with asynctasq.transaction() as connection:
            await write(queue, connection)
        await gates[queue].wait()

    handle = await linger().on_queue(queue).dispatch()
    stored = await memory.get(handle.ref)
    assert stored is not None
    twin = Message(id=handle.id, queue=queue, body=stored.body, visibility_timeout=30)
    async with Worker([queue]) as worker:
        while await memory.get(handle.ref) is not None:
            await asyncio.sleep(0.005)
        await memory.enqueue([twin])
        while (came := await memory.get(handle.ref)) is None or came.state != "running":
            await asyncio.sleep(0.005)
        gates[queue].set()
        await until(lambda: worker.completed == 1)
    assert await gone(memory, queue)
    assert (await effects(), runs[queue]) == (1, 1)
