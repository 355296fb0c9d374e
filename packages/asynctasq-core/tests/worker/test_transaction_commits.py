"""`asynctasq.transaction()`: what a task writes and its acknowledgement, by one commit."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

import asynctasq
from asynctasq import task
from asynctasq.errors import DriverUnavailable, ResultUnavailable, TaskFailed
from asynctasq.memory import MemoryDriver
from asynctasq.worker import Worker

from .effects import Scripted, gone, raising, write

runs: Counter[str] = Counter()
gates: dict[str, asyncio.Event] = {}


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
    @task(name=f"{queue}-hangs", timeout=0.6, retry_delay=0)
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
    await until(lambda: recorder.names()[-1:] == ["task_completed"])
    assert recorder.names() == ["task_enqueued", "task_started", "task_completed"]


@pytest.mark.asyncio
async def test_a_timeout_after_the_commit_completes_the_task(
    memory: MemoryDriver, queue: str, effects, until
) -> None:
    @task(name=f"{queue}-hangs", timeout=0.6)
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
    await until(lambda: recorder.names()[-1:] == ["task_completed"])


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
