"""`connection=`: the task is part of the caller's transaction, and nothing without its commit."""

from __future__ import annotations

import pytest

import asynctasq
from asynctasq import AsyncTask, task
from asynctasq.driver import Context
from asynctasq.errors import Unsupported
from asynctasq.memory import MemoryDriver, MemoryTransaction


@task
async def note(number: int) -> int:
    return number


class Note(AsyncTask[int]):
    number: int

    async def execute(self) -> int:
        return self.number


@pytest.mark.asyncio
async def test_nothing_is_stored_before_the_commit_and_all_after(queue: str, stored) -> None:
    transaction = MemoryTransaction()
    handles = [
        await note(1).on_queue(queue).dispatch(connection=transaction),
        await Note(2).on_queue(queue).dispatch(connection=transaction),
        *await asynctasq.dispatch_many(
            [note(n).on_queue(queue) for n in range(1500)], connection=transaction
        ),
    ]
    assert await stored() == []
    transaction.commit()
    assert {task.ref for task in await stored()} == {handle.ref for handle in handles}


@pytest.mark.asyncio
async def test_a_rollback_stores_nothing(queue: str, stored) -> None:
    async def fail(transaction: MemoryTransaction) -> None:
        with transaction:
            await note(1).on_queue(queue).dispatch(connection=transaction)
            raise ZeroDivisionError

    transaction = MemoryTransaction()
    with pytest.raises(ZeroDivisionError):
        await fail(transaction)
    transaction.commit()
    assert await stored() == []


def test_a_thread_can_be_part_of_a_transaction_too(clean, queue: str) -> None:
    asynctasq.init({"driver": "memory"})
    with MemoryTransaction() as transaction:
        note(1).on_queue(queue).dispatch_sync(connection=transaction)
    assert asynctasq.run(_count(queue)) == 1


async def _count(queue: str) -> int | None:
    driver = MemoryDriver(None, Context())
    await driver.open()
    (stats,) = await driver.stats([queue])
    await driver.close()
    return stats.pending


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.asyncio
async def test_a_connection_of_another_kind_is_refused(queue: str, stored, many: bool) -> None:
    call = note(1).on_queue(queue)
    if many:
        dispatch = asynctasq.dispatch_many([call], connection="postgresql://")
    else:
        dispatch = call.dispatch(connection="postgresql://")
    with pytest.raises(Unsupported, match=r"type str: .*\.MemoryTransaction"):
        await dispatch
    assert await stored() == []


class QueueOnly:
    """The contract without any optional protocol."""

    name = "queue-only"
    api = MemoryDriver.api
    capabilities = MemoryDriver.capabilities

    def __init__(self, options: object, context: Context) -> None:
        driver = MemoryDriver(options, context)
        self.open, self.close = driver.open, driver.close

    open = close = enqueue = dequeue = settle = extend = stats = purge = MemoryDriver.enqueue


@pytest.mark.asyncio
async def test_a_driver_that_joins_no_transaction_says_so(use, queue: str) -> None:
    use(QueueOnly, name="queue-only")
    with pytest.raises(Unsupported, match="queue-only driver cannot be part of a transaction"):
        await note(1).on_queue(queue).dispatch(connection=MemoryTransaction())
