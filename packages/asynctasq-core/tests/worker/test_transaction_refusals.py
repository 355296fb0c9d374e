"""Where a task cannot acknowledge itself: refused with a reason, before anything is sent."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

import pytest

import asynctasq
from asynctasq import task
from asynctasq.errors import LeaseLost, TaskFailed, Unsupported
from asynctasq.memory import MemoryDriver
from asynctasq.worker import Worker

from .effects import write

runs: Counter[str] = Counter()
OUTSIDE = "called outside of a running async task"


async def attempt() -> str:
    """What a transaction is refused with."""
    try:
        async with asynctasq.transaction():
            return "not refused"
    except RuntimeError as refusal:
        return str(refusal)


@task
def in_a_thread() -> str:
    return asyncio.run(attempt())


@task
def around_a_coroutine() -> Any:
    return attempt()


@task
async def in_a_thread_of_its_own() -> str:
    return await asyncio.to_thread(lambda: asyncio.run(attempt()))


@task
async def within_another() -> str:
    async with asynctasq.transaction():
        return await attempt()


@task
async def beside_another() -> str:
    async with asynctasq.transaction():
        return await asyncio.create_task(attempt())


@task
async def after_a_committed_one() -> str:
    async with asynctasq.transaction():
        pass
    return await attempt()


@pytest.mark.asyncio
async def test_outside_of_a_task_it_is_refused(memory: MemoryDriver) -> None:
    assert OUTSIDE in await attempt()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (in_a_thread, OUTSIDE),
        (around_a_coroutine, OUTSIDE),
        (in_a_thread_of_its_own, OUTSIDE),
        (within_another, "is open already"),
        (beside_another, "is open already"),
        (after_a_committed_one, "was acknowledged already"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
@pytest.mark.asyncio
async def test_where_it_cannot_be_it_is_refused(
    memory: MemoryDriver, queue: str, kind: Any, reason: str
) -> None:
    async with Worker([queue]):
        handle = await kind().on_queue(queue).dispatch()
        assert reason in await handle.result(timeout=5)


@pytest.mark.asyncio
async def test_a_refusal_leaves_the_transaction_around_it_as_it_was(
    memory: MemoryDriver, queue: str, effects
) -> None:
    @task(name=f"{queue}-nested")
    async def nested() -> str:
        async with asynctasq.transaction() as connection:
            refused = await attempt()
            await write(queue, connection)
        return refused

    async with Worker([queue]):
        handle = await nested().on_queue(queue).dispatch()
        assert "is open already" in await handle.result(timeout=5)
    assert await effects() == 1


@pytest.mark.asyncio
async def test_after_a_rollback_another_one_may_be_begun(
    memory: MemoryDriver, queue: str, effects, until
) -> None:
    @task(name=f"{queue}-insists")
    async def insist() -> str:
        for turn in range(3):
            try:
                async with asynctasq.transaction() as connection:
                    await write(queue, connection)
                    if turn < 2:
                        raise ZeroDivisionError
            except ZeroDivisionError:
                runs[queue] += 1
        return "at last"

    async with Worker([queue]) as worker:
        handle = await insist().on_queue(queue).dispatch()
        assert await handle.result(timeout=5) == "at last"
        await until(lambda: worker.completed == 1)
    assert (await effects(), runs[queue]) == (1, 2)


@pytest.mark.asyncio
async def test_what_a_task_has_left_running_can_not_acknowledge_it(
    memory: MemoryDriver, queue: str
) -> None:
    ended = asyncio.Event()
    left: list[asyncio.Task[str]] = []

    async def later() -> str:
        await ended.wait()
        return await attempt()

    @task(name=f"{queue}-leaves")
    async def leave() -> None:
        left.append(asyncio.create_task(later()))

    async with Worker([queue]):
        await (await leave().on_queue(queue).dispatch()).result(timeout=5)
    ended.set()
    assert OUTSIDE in await left[0]


@pytest.mark.asyncio
async def test_the_hook_of_a_dead_task_has_nothing_to_acknowledge(
    memory: MemoryDriver, queue: str, until
) -> None:
    told: list[str] = []

    class Dies(asynctasq.AsyncTask[None], name=f"{queue}-dies"):
        async def execute(self) -> None:
            raise ZeroDivisionError

        async def failed(self, error: Exception) -> None:
            told.append(await attempt())

    async with Worker([queue]):
        await Dies().on_queue(queue).max_attempts(1).dispatch()
        await until(lambda: told)
    assert OUTSIDE in told[0]


class WithoutTransactions(MemoryDriver):
    """Has no part of `SettlesInTransaction`."""

    name = "probe"
    opened = 0
    transaction = settle_in = None  # type: ignore[assignment]

    async def open(self) -> None:
        WithoutTransactions.opened += 1
        await super().open()


@pytest.mark.asyncio
async def test_a_driver_that_cannot_is_told_before_anything_is_opened(use, queue: str) -> None:
    use(WithoutTransactions)

    @task(name=f"{queue}-asks", max_attempts=1)
    async def ask() -> None:
        before = WithoutTransactions.opened
        with pytest.raises(Unsupported, match="probe driver cannot acknowledge in a transaction"):
            await asynctasq.transaction().__aenter__()
        assert WithoutTransactions.opened == before

    async with Worker([queue]):
        await (await ask().on_queue(queue).dispatch()).result(timeout=5)


@pytest.mark.asyncio
async def test_a_worker_of_another_configuration_is_told(memory: MemoryDriver, queue: str) -> None:
    @task(name=f"{queue}-configures", max_attempts=1)
    async def configure() -> None:
        asynctasq.init({"driver": "memory"})
        async with asynctasq.transaction():
            pass

    handle = await configure().on_queue(queue).dispatch()
    async with Worker([queue]):
        with pytest.raises(TaskFailed, match=re.escape("init() was called since")):
            await handle.result(timeout=5)


@pytest.mark.asyncio
async def test_a_task_that_raises_the_loss_of_a_lease_by_itself_has_failed(
    memory: MemoryDriver, queue: str
) -> None:
    @task(name=f"{queue}-pretends", max_attempts=1)
    async def pretend() -> None:
        raise LeaseLost("not so")

    async with Worker([queue]):
        with pytest.raises(TaskFailed, match="LeaseLost: not so"):
            await (await pretend().on_queue(queue).dispatch()).result(timeout=5)
