"""Results of tasks that acknowledged themselves: stored by themselves, as soon as that can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

import asynctasq
from asynctasq import task
from asynctasq.driver import Context, Failure, Record, TaskRef
from asynctasq.errors import BackendRefused, DriverUnavailable, OutcomeUnknown, ResultUnavailable
from asynctasq.memory import MemoryDriver
from asynctasq.worker import Worker

from .effects import Scripted, gone, write

runs: Counter[str] = Counter()


@task(retry_delay=0)
async def pay(queue: str, result: str = "paid") -> str:
    runs[queue] += 1
    async with asynctasq.transaction() as connection:
        await write(queue, connection)
    return result


@task
async def pay_for_nothing(queue: str) -> object:
    async with asynctasq.transaction() as connection:
        await write(queue, connection)
    return object()


@pytest.mark.asyncio
async def test_a_result_is_stored_once_its_backend_is_back(
    scripted: type[Scripted], memory: MemoryDriver, queue: str, effects, until
) -> None:
    answers: list[Exception] = [DriverUnavailable("restarting"), OutcomeUnknown(())]

    async def store(self: Scripted, records: Any) -> None:
        if answers:
            raise answers.pop()
        await MemoryDriver.store(self, records)

    scripted.store = store  # type: ignore[method-assign]
    async with Worker([queue]) as worker:
        handle = await pay(queue).on_queue(queue).dispatch()
        assert await handle.result(timeout=5) == "paid"
        await until(lambda: worker.completed == 1)
    assert (answers, await effects(), runs[queue]) == ([], 1, 1)


@pytest.mark.parametrize("limit", [10, 0])
@pytest.mark.asyncio
async def test_a_result_that_is_refused_costs_nothing_but_itself(
    scripted: type[Scripted],
    memory: MemoryDriver,
    queue: str,
    effects: Callable[[], Any],
    until,
    caplog: pytest.LogCaptureFixture,
    limit: int,
) -> None:
    async def store(self: Scripted, records: list[Record]) -> None:
        if any(isinstance(r.value, bytes) and len(r.value) > 10 for r in records) or not limit:
            raise BackendRefused("too large a value")
        await MemoryDriver.store(self, records)

    scripted.store = store  # type: ignore[method-assign, assignment]
    async with Worker([queue]) as worker:
        handle = await pay(queue, "x" * 11).on_queue(queue).dispatch()
        other = await pay(queue, "short").on_queue(queue).dispatch()
        await until(lambda: worker.completed == 2)
        if limit:
            assert await other.result(timeout=5) == "short"
            with pytest.raises(ResultUnavailable, match="too large a value"):
                await handle.result(timeout=5)
    assert await gone(memory, queue)
    assert (await effects(), runs[queue], worker.failed) == (2, 2, 0)
    assert ("refused: the result of" in caplog.text) == (not limit)


@pytest.mark.asyncio
async def test_no_result_is_stored_that_nobody_wants(
    scripted: type[Scripted], memory: MemoryDriver, queue: str, effects, until
) -> None:
    stored: list[Record] = []

    async def store(self: Scripted, records: list[Record]) -> None:
        stored.extend(records)

    scripted.store = store  # type: ignore[method-assign, assignment]
    async with Worker([queue]) as worker:
        handle = await pay(queue).options(store_result=False).on_queue(queue).dispatch()
        await until(lambda: worker.completed == 1)
    assert (await effects(), stored, await memory.result(handle.ref, 0)) == (1, [], None)


@pytest.mark.asyncio
async def test_a_result_that_cannot_be_sent_fails_no_task(
    memory: MemoryDriver, queue: str, effects, until
) -> None:
    async with Worker([queue]) as worker:
        handle = await pay_for_nothing(queue).on_queue(queue).dispatch()
        with pytest.raises(ResultUnavailable, match="could not be stored"):
            await handle.result(timeout=5)
        await until(lambda: worker.completed == 1)
    assert (await effects(), worker.failed) == (1, 0)


@pytest.mark.asyncio
async def test_a_completed_task_is_kept_where_they_are(
    memory: MemoryDriver, queue: str, until
) -> None:
    asynctasq.init({"driver": "memory", "keep_completed_tasks": True})
    async with Worker([queue]) as worker:
        handle = await pay(queue).on_queue(queue).dispatch()
        await until(lambda: worker.completed == 1)
    kept = await memory.get(handle.ref)
    assert kept is not None
    assert kept.state == "completed"


class WithoutResults:
    """The memory driver, but for the results."""

    name = "probe"
    api = MemoryDriver.api
    capabilities = MemoryDriver.capabilities

    def __init__(self, options: object, context: Context) -> None:
        driver = MemoryDriver(None, context)
        for verb in ("open", "close", "enqueue", "enqueue_in", "dequeue", "settle", "extend"):
            setattr(self, verb, getattr(driver, verb))
        self.stats, self.purge = driver.stats, driver.purge
        self.transaction, self.settle_in = driver.transaction, driver.settle_in

    open = close = enqueue = dequeue = settle = extend = stats = purge = MemoryDriver.enqueue
    transaction, settle_in = MemoryDriver.transaction, MemoryDriver.settle_in


@pytest.mark.parametrize("elsewhere", [True, False])
@pytest.mark.asyncio
async def test_where_results_live_elsewhere_they_are_stored_there(
    use, memory: MemoryDriver, queue: str, effects, until, elsewhere: bool
) -> None:
    use(WithoutResults, **({"result_driver": "memory"} if elsewhere else {}))
    async with Worker([queue]) as worker:
        handle = await pay(queue).on_queue(queue).dispatch()
        await until(lambda: worker.completed == 1)
    assert await effects() == 1
    record = await memory.result(TaskRef(queue, handle.id), 0)
    assert (record is not None) == elsewhere
    assert record is None or not isinstance(record.value, Failure)
