"""`asynctasq.transaction()`: what a task writes and its acknowledgement, by one commit."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

import asynctasq
from asynctasq import task
from asynctasq.driver import Ack, Delivery, Message, Renewed
from asynctasq.errors import (
    BackendRefused,
    DriverUnavailable,
    LeaseLost,
    OutcomeUnknown,
    ResultUnavailable,
    TaskFailed,
    Unsupported,
)
from asynctasq.memory import MemoryDriver, MemoryTransaction
from asynctasq.worker import Worker

runs: Counter[str] = Counter()
gates: dict[str, asyncio.Event] = {}
hooks: list[str] = []


@task
async def effect() -> None:
    """What a transaction leaves behind, on a queue that no worker serves."""


async def write(queue: str, connection: Any) -> None:
    """What a user would write to the same database."""
    await effect().on_queue(f"{queue}-effects").dispatch(connection=connection)


@pytest.fixture
def effects(memory: MemoryDriver, queue: str) -> Callable[[], Any]:
    """How often it was written."""

    async def count() -> int | None:
        (stats,) = await memory.stats([f"{queue}-effects"])
        return stats.pending

    return count


async def gone(memory: MemoryDriver, queue: str) -> bool:
    """Whether the backend holds no task of this queue any more."""
    (stats,) = await memory.stats([queue])
    return not any((stats.pending, stats.scheduled, stats.running, stats.dead))


class Scripted(MemoryDriver):
    """Does as a test says at the end of a transaction."""

    before_commit: ClassVar[Any] = None
    after_commit: ClassVar[Any] = None
    lease: ClassVar[float] = 30.0

    async def enqueue(self, messages: Any) -> Any:
        return await super().enqueue([replace(m, visibility_timeout=self.lease) for m in messages])

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[MemoryTransaction]:
        async with super().transaction() as begun:
            yield begun
            if self.before_commit is not None:
                await self.before_commit()
        if self.after_commit is not None:
            await self.after_commit()


@pytest.fixture
def scripted(use: Callable[..., None]) -> type[Scripted]:
    """The configured driver: one that does as this test says."""
    driver = type("OfThisTest", (Scripted,), {})
    use(driver)
    return driver


def raising(error: Exception) -> Any:
    """Do nothing but raise."""

    async def fail(*_: object) -> None:
        raise error

    return staticmethod(fail)


@task(retry_delay=0)
async def pay(queue: str) -> str:
    runs[queue] += 1
    async with asynctasq.transaction() as connection:
        await write(queue, connection)
    return "paid"


@task(retry_delay=0)
async def pay_at_the_second_try(queue: str) -> int:
    async with asynctasq.transaction() as connection:
        await write(queue, connection)
        if asynctasq.current().attempt == 1:
            raise ZeroDivisionError
    return asynctasq.current().attempt


@task(retry_delay=0)
async def fail_afterwards(queue: str) -> None:
    runs[queue] += 1
    async with asynctasq.transaction() as connection:
        await write(queue, connection)
    raise ZeroDivisionError("too late")


@pytest.mark.asyncio
async def test_one_commit_acknowledges_the_task_and_keeps_what_it_wrote(
    memory: MemoryDriver, queue: str, effects, until
) -> None:
    async with Worker([queue]) as worker:
        handle = await pay(queue).on_queue(queue).dispatch()
        assert await handle.result(timeout=5) == "paid"
        await until(lambda: worker.completed == 1)
    assert (await effects(), runs[queue], worker.failed) == (1, 1, 0)
    assert await gone(memory, queue)


@pytest.mark.asyncio
async def test_from_the_commit_on_the_backend_holds_no_task_any_more(
    memory: MemoryDriver, queue: str, effects, until
) -> None:
    gates[queue] = asyncio.Event()

    @task(name=f"{queue}-lingers")
    async def linger() -> str:
        async with asynctasq.transaction() as connection:
            await write(queue, connection)
            assert await memory.get(handle.ref) is not None
            assert await effects() == 0
        runs[queue] += 1
        await gates[queue].wait()
        return "late"

    async with Worker([queue]) as worker:
        handle = await linger().on_queue(queue).dispatch()
        await until(lambda: runs[queue])
        assert (await effects(), await memory.get(handle.ref)) == (1, None)
        assert worker.completed == 0
        gates[queue].set()
        assert await handle.result(timeout=5) == "late"
        await until(lambda: worker.completed == 1)


@pytest.mark.asyncio
async def test_an_error_in_the_block_rolls_back_and_is_an_attempt_that_failed(
    memory: MemoryDriver, queue: str, effects
) -> None:
    async with Worker([queue]) as worker:
        handle = await pay_at_the_second_try(queue).on_queue(queue).dispatch()
        assert await handle.result(timeout=5) == 2
    assert (await effects(), worker.failed) == (1, 1)


@pytest.mark.asyncio
async def test_the_last_error_in_the_block_is_the_end_of_the_task(
    memory: MemoryDriver, queue: str, effects
) -> None:
    async with Worker([queue]):
        call = pay_at_the_second_try(queue).on_queue(queue).max_attempts(1)
        with pytest.raises(TaskFailed, match="ZeroDivisionError"):
            await (await call.dispatch()).result(timeout=5)
    assert await effects() == 0


@pytest.mark.asyncio
async def test_a_timeout_in_the_block_rolls_back_and_is_an_attempt_that_failed(
    memory: MemoryDriver, queue: str, effects
) -> None:
    @task(name=f"{queue}-hangs", timeout=0.05, retry_delay=0)
    async def hang() -> int:
        async with asynctasq.transaction() as connection:
            await write(queue, connection)
            if asynctasq.current().attempt == 1:
                await asyncio.Event().wait()
        return asynctasq.current().attempt

    async with Worker([queue]) as worker:
        handle = await hang().on_queue(queue).dispatch()
        assert await handle.result(timeout=5) == 2
    assert (await effects(), worker.failed) == (1, 1)


@pytest.mark.asyncio
async def test_a_shutdown_in_the_block_rolls_back_and_gives_the_task_back(
    memory: MemoryDriver, queue: str, effects, until
) -> None:
    asynctasq.init({"driver": "memory", "shutdown_timeout": 0})

    @task(name=f"{queue}-hangs")
    async def hang() -> None:
        async with asynctasq.transaction() as connection:
            await write(queue, connection)
            runs[queue] += 1
            await asyncio.Event().wait()

    async with Worker([queue]):
        handle = await hang().on_queue(queue).dispatch()
        await until(lambda: runs[queue])
    given_back = await memory.get(handle.ref)
    assert given_back is not None
    assert (given_back.state, given_back.attempt, await effects()) == ("pending", 1, 0)


@pytest.mark.asyncio
async def test_an_error_after_the_commit_is_logged_and_the_task_is_completed(
    memory: MemoryDriver, queue: str, effects, until, recorder, caplog: pytest.LogCaptureFixture
) -> None:
    asynctasq.init({"driver": "memory"}, event_emitters=[recorder])
    async with Worker([queue]) as worker:
        handle = await fail_afterwards(queue).on_queue(queue).dispatch()
        text = "after its transaction was committed: ZeroDivisionError: too late"
        with pytest.raises(ResultUnavailable, match=text):
            await handle.result(timeout=5)
        await until(lambda: worker.completed == 1)
    assert (await effects(), runs[queue], worker.failed) == (1, 1, 0)
    (told,) = [r for r in caplog.records if "failed after its commit" in r.getMessage()]
    assert told.levelname == "ERROR"
    assert told.exc_info is not None
    assert "raise ZeroDivisionError" in caplog.text
    await until(lambda: recorder.names()[-1] == "task_completed")
    assert recorder.names() == ["task_enqueued", "task_started", "task_completed"]


@pytest.mark.asyncio
async def test_a_timeout_after_the_commit_completes_the_task(
    memory: MemoryDriver, queue: str, effects, until
) -> None:
    @task(name=f"{queue}-hangs", timeout=0.05)
    async def hang() -> None:
        async with asynctasq.transaction() as connection:
            await write(queue, connection)
        await asyncio.Event().wait()

    async with Worker([queue]) as worker:
        handle = await hang().on_queue(queue).dispatch()
        with pytest.raises(ResultUnavailable, match="TimeoutError"):
            await handle.result(timeout=5)
        await until(lambda: worker.completed == 1)
    assert (await effects(), worker.failed) == (1, 0)


@pytest.mark.asyncio
async def test_a_shutdown_after_the_commit_completes_the_task(
    memory: MemoryDriver, queue: str, effects, until, recorder
) -> None:
    asynctasq.init({"driver": "memory", "shutdown_timeout": 0}, event_emitters=[recorder])

    @task(name=f"{queue}-hangs")
    async def hang() -> None:
        async with asynctasq.transaction() as connection:
            await write(queue, connection)
        runs[queue] += 1
        await asyncio.Event().wait()

    async with Worker([queue]) as worker:
        await hang().on_queue(queue).dispatch()
        await until(lambda: runs[queue])
    assert await gone(memory, queue)
    assert (await effects(), worker.completed) == (1, 1)
    await until(lambda: recorder.names()[-1] == "task_completed")


@pytest.mark.parametrize("fault", ["settle_in", "commit"])
@pytest.mark.asyncio
async def test_what_did_not_happen_for_lack_of_a_backend_is_tried_again(
    scripted: type[Scripted], queue: str, effects, fault: str
) -> None:
    @task(name=f"{queue}-again", retry_delay=0)
    async def again() -> int:
        attempt = asynctasq.current().attempt
        failing = raising(DriverUnavailable("restarting")) if attempt == 1 else None
        if fault == "commit":
            scripted.before_commit = failing
        else:
            scripted.settle_in = failing or MemoryDriver.settle_in  # type: ignore[method-assign]
        async with asynctasq.transaction() as connection:
            await write(queue, connection)
        return attempt

    async with Worker([queue]) as worker:
        handle = await again().on_queue(queue).dispatch()
        assert await handle.result(timeout=5) == 2
    assert (await effects(), worker.failed) == (1, 1)
