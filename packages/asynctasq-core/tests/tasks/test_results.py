"""`result()`: what a task returned, by its annotation, or exactly why there is none."""

from __future__ import annotations

import asyncio
import time
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from msgspec import Struct

import asynctasq
from asynctasq import task
from asynctasq.driver import Context
from asynctasq.errors import (
    DriverUnavailable,
    OutcomeUnknown,
    PayloadError,
    ResultTimeout,
    ResultUnavailable,
    TaskDefinitionError,
    TaskFailed,
)
from asynctasq.memory import MemoryDriver
from asynctasq.worker import Worker


class Report(Struct):
    total: Decimal
    days: tuple[date, ...]


@task
async def report(total: str) -> Report:
    return Report(Decimal(total), (date(2024, 2, 29),))


@task
async def nothing() -> None: ...


@task(max_attempts=1)
async def fail(text: str) -> int:
    raise LookupError(text)


@task
async def opaque() -> object:
    return object()


@task
async def mistaken() -> int:
    return "not a number"  # type: ignore[return-value]


@task
async def ambiguous() -> str | bytes:
    return "text"


@pytest.mark.asyncio
async def test_a_result_is_what_the_task_returned_by_its_annotation(memory, queue: str) -> None:
    async with Worker([queue]):
        handle = await report("1.50").on_queue(queue).dispatch()
        assert await handle.result(timeout=5) == Report(Decimal("1.50"), (date(2024, 2, 29),))
        assert await handle.result(timeout=0) == await handle.result()
        assert await (await nothing().on_queue(queue).dispatch()).result(timeout=5) is None


@pytest.mark.asyncio
async def test_a_dead_task_says_why(memory, queue: str) -> None:
    async with Worker([queue]):
        handle = await fail("nobody").on_queue(queue).dispatch()
        with pytest.raises(TaskFailed, match="LookupError: nobody") as raised:
            await handle.result(timeout=5)
    assert (raised.value.type, raised.value.text) == ("LookupError", "nobody")
    assert "raise LookupError(text)" in raised.value.traceback


@pytest.mark.asyncio
async def test_a_result_that_is_not_there_in_time_is_a_timeout(memory, queue: str) -> None:
    handle = await nothing().on_queue(queue).dispatch()
    began = time.monotonic()
    with pytest.raises(ResultTimeout, match=f"{handle.id} had no result within 0.1 s") as raised:
        await handle.result(timeout=0.1)
    assert 0.1 <= time.monotonic() - began < 5
    assert isinstance(raised.value, TimeoutError)


@pytest.mark.asyncio
async def test_a_result_that_cannot_be_sent_is_unavailable_and_the_task_is_done(
    memory: MemoryDriver, queue: str
) -> None:
    async with Worker([queue]) as worker:
        handle = await opaque().on_queue(queue).dispatch()
        with pytest.raises(ResultUnavailable, match=r"could not be stored: .* object"):
            await handle.result(timeout=5)
    assert (worker.completed, worker.failed) == (1, 0)
    assert await memory.get(handle.ref) is None


@pytest.mark.asyncio
async def test_a_result_that_does_not_fit_its_annotation_says_so(memory, queue: str) -> None:
    async with Worker([queue]):
        handle = await mistaken().on_queue(queue).dispatch()
        with pytest.raises(PayloadError, match="does not fit its annotation"):
            await handle.result(timeout=5)
        unread = await ambiguous().on_queue(queue).dispatch()
        with pytest.raises(TaskDefinitionError, match="return annotation cannot be read"):
            await unread.result(timeout=5)


@pytest.mark.asyncio
async def test_without_stored_results_there_is_none_to_wait_for(memory, queue: str) -> None:
    handle = await nothing().on_queue(queue).options(store_result=False).dispatch()
    with pytest.raises(ResultUnavailable, match="store_result off"):
        await handle.result(timeout=5)


class QueueOnly:
    """The contract without any optional protocol."""

    name = "queue-only"
    api = MemoryDriver.api
    capabilities = MemoryDriver.capabilities

    def __init__(self, options: object, context: Context) -> None:
        driver = MemoryDriver(options, context)
        for verb in ("open", "close", "enqueue", "dequeue", "settle", "extend"):
            setattr(self, verb, getattr(driver, verb))

    open = close = enqueue = dequeue = settle = extend = stats = purge = MemoryDriver.enqueue


@pytest.mark.asyncio
async def test_a_driver_that_stores_no_results_says_what_to_configure(use, queue: str) -> None:
    use(QueueOnly, name="queue-only")
    handle = await nothing().on_queue(queue).dispatch()
    with pytest.raises(ResultUnavailable, match=r"queue-only driver .* result_driver"):
        await handle.result(timeout=5)


@pytest.mark.asyncio
async def test_its_results_are_stored_through_the_result_driver(use, queue: str) -> None:
    use(QueueOnly, name="queue-only")
    asynctasq.init({"driver": "queue-only", "result_driver": "memory"})
    async with Worker([queue]):
        handle = await report("2").on_queue(queue).dispatch()
        assert (await handle.result(timeout=5)).total == 2


@pytest.mark.asyncio
async def test_completed_tasks_are_kept_by_their_results_in_the_result_driver(
    use, memory: MemoryDriver, queue: str
) -> None:
    use(QueueOnly, name="queue-only")
    brief = {"driver": "queue-only", "result_driver": "memory", "result_ttl": 0.1}
    for kept in (False, True):
        asynctasq.init({**brief, "keep_completed_tasks": kept})
        async with Worker([queue]) as worker, asyncio.timeout(5):
            handle = await report("2").on_queue(queue).dispatch()
            while not worker.completed:  # its result may be gone before anybody looks
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.15)
        assert (await memory.result(handle.ref, 0) is not None) == kept


@pytest.mark.asyncio
async def test_a_result_driver_that_stores_none_either_is_named(use, queue: str) -> None:
    use(QueueOnly, name="queue-only")
    asynctasq.init({"driver": "queue-only", "result_driver": "queue-only"})
    handle = await nothing().on_queue(queue).dispatch()
    with pytest.raises(ResultUnavailable, match="result_driver='queue-only' stores no results"):
        await handle.result(timeout=5)


@pytest.mark.parametrize("error", [DriverUnavailable("restarting"), OutcomeUnknown(())])
@pytest.mark.asyncio
async def test_a_backend_that_is_away_meanwhile_is_asked_again(
    use, queue: str, error: Exception
) -> None:
    class Flaky(MemoryDriver):
        outages = 3

        async def result(self, ref: Any, wait: float) -> Any:
            if Flaky.outages:
                Flaky.outages -= 1
                raise error
            return await super().result(ref, wait)

    use(Flaky)
    async with Worker([queue]):
        handle = await report("3").on_queue(queue).dispatch()
        assert (await handle.result(timeout=5)).total == 3


@pytest.mark.asyncio
async def test_many_can_wait_for_one_result(memory, queue: str) -> None:
    handle = await report("4").on_queue(queue).dispatch()
    waiting = [asyncio.ensure_future(handle.result(timeout=5)) for _ in range(20)]
    async with Worker([queue]):
        assert {(await result).total for result in waiting} == {Decimal(4)}
