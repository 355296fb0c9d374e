"""Each verb is one statement, sent once, on a connection that is left as it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final, NamedTuple

import pytest
import pytest_asyncio

from asynctasq.driver import Ack, Context, DeadLetter, Delivery, Failure, Release, Retry
from asynctasq_drivers.postgres import PostgresDriver

from .drivers import message, opened, record
from .wiretap import Wiretap, overheard

FAILURE: Final = Failure("ValueError", "no", "Traceback")

pytestmark = pytest.mark.asyncio


class Warm(NamedTuple):
    """A driver with one connection, on which every statement was run before."""

    driver: PostgresDriver
    tap: Wiretap

    async def take(self, count: int) -> tuple[Delivery, ...]:
        await self.driver.enqueue([message() for _ in range(count)])
        return await self.driver.dequeue(["mail"], limit=count, wait=0.0)

    async def settled(self) -> None:
        """Nothing that was said before is still to come."""
        await self.driver._news.told()
        await self.driver._results_news.told()


async def every_verb(warm: Warm) -> None:
    one, two, three, four, five = await warm.take(5)
    await warm.driver.extend([one, two])
    await warm.driver.settle([Ack(five, record(five))])
    await warm.driver.settle(mixed((one, two, three, four)))
    await warm.driver.result(five.ref, 0.0)
    await warm.driver.purge("mail")


def mixed(held: tuple[Delivery, ...]) -> list[Ack | DeadLetter | Retry | Release]:
    one, two, three, four = held
    return [
        Ack(one, record(one)),
        DeadLetter(two, FAILURE),
        Retry(three, 60.0, FAILURE),
        Release(four, 60.0),
    ]


@pytest_asyncio.fixture(params=[False, True], ids=["", "completed tasks are kept"])
async def warm(
    request: pytest.FixtureRequest, database: str, stack: AsyncExitStack
) -> AsyncIterator[Warm]:
    tap = stack.enter_context(overheard(database))
    kept = Context(keep_completed_tasks=request.param)
    few = {"min_pool_size": 1, "max_pool_size": 1}
    made = Warm(await stack.enter_async_context(opened(tap.url, kept, **few)), tap)
    for _ in range(2):
        await every_verb(made)
    await made.settled()
    yield made


async def said(warm: Warm, call: Callable[[], Awaitable[object]]) -> list[str]:
    """The statements that a call sends, each in one round trip, and none is prepared for it."""
    await warm.settled()
    warm.tap.forget()
    await call()
    # What is told of it comes after it.
    statements = list(warm.tap.statements)
    assert warm.tap.round_trips == len(statements)
    assert warm.tap.prepared == []
    await warm.settled()
    return [sql for sql in statements if sql != warm.driver._sql.notify]


async def test_a_verb_is_one_round_trip(warm: Warm) -> None:
    driver, sql = warm.driver, warm.driver._sql
    ack = sql.settle if driver._context.keep_completed_tasks else sql.ack
    held = await warm.take(8)
    acks = [Ack(delivery, record(delivery)) for delivery in held[:4]]
    assert await said(warm, lambda: driver.extend(held)) == [sql.extend]
    assert await said(warm, lambda: driver.settle(acks)) == [ack]
    assert await said(warm, lambda: driver.settle(mixed(held[4:]))) == [sql.settle]
    assert await said(warm, lambda: driver.result(held[0].ref, 60.0)) == [sql.result]
    batch = [message() for _ in range(100)]
    assert await said(warm, lambda: driver.enqueue(batch)) == [sql.enqueue]
    look = driver.dequeue(["mail", "more"], limit=100, wait=60.0)
    assert await said(warm, lambda: look) == [sql.dequeue]


async def test_a_transaction_that_acknowledges_is_three(warm: Warm) -> None:
    """What undoes whatever a task may have set comes after it: nobody waits for that."""

    async def run() -> None:
        (held,) = await warm.take(1)
        await warm.settled()
        warm.tap.forget()
        async with warm.driver.transaction() as connection:
            assert await warm.driver.settle_in(connection, Ack(held))
        while undoing := tuple(warm.driver._under_way):
            await asyncio.wait(undoing)

    for _ in range(2):
        await run()
    begin, ack, commit, reset, *rest = warm.tap.statements
    assert begin.startswith("BEGIN")
    assert 'DELETE FROM "public"."task_queue"' in ack
    assert commit.startswith("COMMIT")
    assert "RESET ALL" in reset
    assert len(rest) == 2
    assert warm.tap.prepared == []


async def test_nothing_but_our_statements_is_said(warm: Warm) -> None:
    """No BEGIN, no RESET, no DISCARD, and nothing about types."""
    warm.tap.forget()
    for _ in range(3):
        await every_verb(warm)
    await warm.settled()
    names = ("enqueue", "dequeue", "extend", "ack", "settle", "result", "purge", "sweep")
    known = {getattr(warm.driver._sql, name) for name in (*names, "notify", "awaited")}
    assert {*warm.tap.statements} - known == {"SELECT clock_timestamp()"}
    assert warm.tap.prepared == []
    assert warm.tap.round_trips == len(warm.tap.statements)
