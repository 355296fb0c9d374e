"""A task that takes its workers down is dead after max_losses, with nothing of it decoded."""

from __future__ import annotations

from typing import Any

import pytest

import asynctasq
from asynctasq import AsyncTask
from asynctasq.driver import Context, Message
from asynctasq.errors import WorkerLost
from asynctasq.memory import MemoryDriver
from asynctasq.worker import Worker

from .conftest import lose

hooked: list[tuple[str, str]] = []
ran: list[int] = []


class Deadly(AsyncTask[None], name="losses.deadly"):
    number: int

    async def execute(self) -> None:
        ran.append(asynctasq.current().attempt)

    async def failed(self, error: Exception) -> None:
        hooked.append((type(error).__name__, asynctasq.current().task))


@pytest.fixture(autouse=True)
def _forget() -> None:
    hooked.clear()
    ran.clear()


@pytest.mark.asyncio
async def test_fewer_losses_than_allowed_leave_every_attempt(
    memory: MemoryDriver, queue: str
) -> None:
    handle = await Deadly(1).on_queue(queue).max_attempts(1).dispatch()
    await lose(memory, queue, 2)
    async with Worker([queue]):
        assert await handle.result(timeout=5) is None
    assert ran == [1]


@pytest.mark.asyncio
async def test_too_many_are_dead_with_the_reason_result_and_hook(
    memory: MemoryDriver, queue: str, until, recorder
) -> None:
    asynctasq.init({"driver": "memory"}, [recorder])
    handle = await Deadly(1).on_queue(queue).dispatch()
    await lose(memory, queue, 3)
    async with Worker([queue]):
        with pytest.raises(asynctasq.errors.TaskFailed, match="worker lost"):
            await handle.result(timeout=5)
        await until(lambda: hooked)
    dead = await memory.get(handle.ref)
    assert dead is not None
    assert dead.state == "dead"
    assert dead.failure is not None
    assert dead.failure.type == WorkerLost.__name__
    assert (hooked, ran) == ([("WorkerLost", "losses.deadly")], [])
    await until(lambda: "task_failed" in recorder.names())
    (failed,) = [event for event in recorder.events if event.name == "task_failed"]
    assert (failed.task, failed.final, failed.error_type) == ("losses.deadly", True, "WorkerLost")
    assert "task_started" not in recorder.names()


@pytest.mark.asyncio
async def test_max_losses_is_an_option(memory: MemoryDriver, queue: str) -> None:
    asynctasq.init({"driver": "memory", "max_losses": 1})
    handle = await Deadly(1).on_queue(queue).dispatch()
    await lose(memory, queue, 1)
    async with Worker([queue]):
        with pytest.raises(asynctasq.errors.TaskFailed):
            await handle.result(timeout=5)


@pytest.mark.asyncio
async def test_nothing_is_decoded_before_it_is_dead(use, queue: str, until) -> None:
    settled: list[str] = []

    class Noting(MemoryDriver):
        async def settle(self, outcomes: Any) -> Any:
            settled.extend(outcome.name for outcome in outcomes)
            return await super().settle(outcomes)

    use(Noting)
    driver = MemoryDriver(None, Context())
    await driver.open()
    message = Message(queue=queue, body=b"\xc1 kills whoever reads it", visibility_timeout=30)
    await driver.enqueue([message])
    await lose(driver, queue, 3)
    async with Worker([queue]) as worker:
        await until(lambda: worker.failed)
    dead = await driver.get(message.ref)
    await driver.close()
    assert settled == ["dead_letter"]
    assert dead is not None
    assert dead.failure is not None
    assert dead.failure.type == "WorkerLost"
