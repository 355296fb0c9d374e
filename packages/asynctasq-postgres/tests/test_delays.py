"""When a task is due that was dispatched in a transaction of the caller."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from .drivers import message, opened, taken

pytestmark = [pytest.mark.asyncio, pytest.mark.concurrent]


async def test_a_delay_counts_from_the_dispatch_and_not_from_begin_or_commit(database: str) -> None:
    connection = await asyncpg.connect(database)
    async with opened(database) as driver:
        async with connection.transaction():
            await connection.execute("SELECT pg_sleep(0.5)")
            later, soon = message(delay=60), message(delay=0.5)
            await driver.enqueue_in(connection, [later, soon])
            place = "SELECT enqueued_at > now() + interval '0.4 second' FROM task_queue"
            assert [row[0] for row in await connection.fetch(place)] == [True, True]
            await asyncio.sleep(0.6)
            assert await driver.dequeue(["mail"], limit=10, wait=0) == ()
        assert (await taken(driver, wait=0)).id == soon.id
        (stats,) = await driver.stats(["mail"])
        assert (stats.pending, stats.scheduled) == (0, 1)
    await connection.close()


async def test_what_a_savepoint_brought_goes_with_it(database: str) -> None:
    connection = await asyncpg.connect(database)
    async with opened(database) as driver:
        async with connection.transaction():
            kept = message()
            await driver.enqueue_in(connection, [kept])
            savepoint = connection.transaction()
            await savepoint.start()
            await driver.enqueue_in(connection, [message()])
            await savepoint.rollback()
        assert (await taken(driver)).id == kept.id
    await connection.close()
