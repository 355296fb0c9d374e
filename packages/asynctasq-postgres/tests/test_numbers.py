"""Numbers that grow with every task have room for more than there will ever be."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Final

import pytest

from asynctasq.driver import Ack, Context, DeadLetter, Failure, Release, Retry

from .drivers import message, opened, record, taken, works
from .servers.own import ask

LARGE: Final = 2**40
FAILURE: Final = Failure("ValueError", "no", "Traceback")


@pytest.mark.asyncio
@pytest.mark.parametrize("keep", [False, True])
async def test_after_a_million_million_tasks_all_goes_on(
    database: str, stack: AsyncExitStack, keep: bool
) -> None:
    context = Context(keep_completed_tasks=keep)
    driver = await stack.enter_async_context(opened(database, context))
    ask(database, f"ALTER TABLE task_queue ALTER COLUMN seq RESTART WITH {LARGE}")
    await driver.enqueue([message(), message()])
    ask(database, f"UPDATE task_queue SET token = {LARGE}")
    first, second = await driver.dequeue(["mail"], limit=2, wait=0.0)
    assert (first.receipt, second.receipt) == ((LARGE, LARGE + 1), (LARGE + 1, LARGE + 1))
    assert not (await driver.extend([first, second])).lost
    outcomes = [Retry(first, 0.0, FAILURE), Release(second)]
    assert not (await driver.settle(outcomes)).lost
    assert (await driver.settle(outcomes)).lost == (first, second)
    again = await driver.dequeue(["mail"], limit=2, wait=0.0)
    assert not (await driver.settle([DeadLetter(again[0], FAILURE), Ack(again[1])])).lost
    await driver.enqueue([message()])
    delivery = await taken(driver)
    async with driver.transaction() as connection:
        assert await driver.settle_in(connection, Ack(delivery, record(delivery)))
    await works(driver)


@pytest.mark.asyncio
async def test_no_number_that_grows_has_less_than_64_bits(database: str) -> None:
    async with opened(database):
        pass
    sql = (
        "SELECT table_name || '.' || column_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND data_type IN ('integer', 'smallint') ORDER BY 1"
    )
    assert ask(database, sql) == [
        "dead_letter_queue.attempts",
        "dead_letter_queue.losses",
        "task_queue.attempt",
        "task_queue.deliveries",
        "task_queue_completed.attempt",
        "task_queue_completed.deliveries",
        "task_queue_migrations.version",
        "task_queue_results.kind",
    ], "these count the runs of one task, or number what we write by hand"
    assert ask(database, "SELECT max_value FROM pg_sequences") == [2**63 - 1]
