"""A reply is lost in a transaction: before the commit nothing is stored, then who knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from asynctasq.driver import Ack, Delivery, Message
from asynctasq.errors import DriverUnavailable, OutcomeUnknown
from asynctasq_drivers.postgres import PostgresDriver

from .load import driver_on
from .servers.own import ask
from .servers.proxy import Proxy, proxy

pytestmark = pytest.mark.asyncio

ENQUEUE, ACK, COMMIT = b"-- Store messages", b"-- Done", b"COMMIT"


@pytest.fixture
def between(database: str) -> Iterator[Proxy]:
    ask(database, "CREATE TABLE effects (id uuid)")
    with proxy(database) as made:
        yield made


@pytest_asyncio.fixture
async def driver(between: Proxy, stack: AsyncExitStack) -> AsyncIterator[PostgresDriver]:
    """One whose server loses a reply, once, in each of these tests."""
    yield await stack.enter_async_context(driver_on(between.url))
    assert between.lost == 1


def message() -> Message:
    return Message(queue="mail", body=b"", visibility_timeout=60.0)


async def effects(database: str) -> list[Any]:
    return await asyncio.to_thread(ask, database, "SELECT id FROM effects")


async def taken(driver: PostgresDriver) -> Delivery:
    await driver.enqueue([message()])
    (held,) = await driver.dequeue(["mail"], limit=1, wait=0)
    return held


async def settled(driver: PostgresDriver, held: Delivery) -> None:
    """Its effect, together with its acknowledgement."""
    async with driver.transaction() as connection:
        await connection.execute("INSERT INTO effects VALUES ($1)", held.id)
        assert await driver.settle_in(connection, Ack(held))


async def test_a_transaction_of_a_task_whose_commit_has_no_reply_is_unknown_and_happened_whole(
    driver: PostgresDriver, between: Proxy, database: str
) -> None:
    held = await taken(driver)
    between.lose_replies(to=COMMIT, whole=True)
    with pytest.raises(OutcomeUnknown):
        await settled(driver, held)
    assert await effects(database) == [held.id]
    assert (await driver.settle([Ack(held)])).lost == (held,)


async def test_a_transaction_of_a_task_that_ends_before_its_commit_leaves_nothing(
    driver: PostgresDriver, between: Proxy, database: str
) -> None:
    held = await taken(driver)
    between.lose_replies(to=ACK)
    with pytest.raises(DriverUnavailable):
        await settled(driver, held)
    assert await effects(database) == []
    await settled(driver, held)
    assert await effects(database) == [held.id]


async def test_a_transaction_that_cannot_be_begun_is_not_there(
    driver: PostgresDriver, between: Proxy, database: str
) -> None:
    held = await taken(driver)
    between.lose_replies(to=b"BEGIN")
    with pytest.raises(DriverUnavailable):
        await settled(driver, held)
    await settled(driver, held)
    assert await effects(database) == [held.id]


@asynccontextmanager
async def caller(between: Proxy) -> AsyncGenerator[Any]:
    """A connection of somebody else."""
    connection = await asyncpg.connect(between.url)
    try:
        yield connection
    finally:
        connection.terminate()


async def sent_in(driver: PostgresDriver, connection: Any, sent: Message) -> None:
    """A row of the caller's, together with a message."""
    async with connection.transaction():
        await connection.execute("INSERT INTO effects VALUES ($1)", sent.id)
        assert (await driver.enqueue_in(connection, [sent])).stored == (sent.id,)


async def test_a_message_is_there_with_the_row_of_a_caller_whose_commit_has_no_reply(
    driver: PostgresDriver, between: Proxy, database: str
) -> None:
    sent = message()
    async with caller(between) as connection:
        between.lose_replies(to=COMMIT, whole=True)
        with pytest.raises(asyncpg.ConnectionDoesNotExistError):
            await sent_in(driver, connection, sent)
    assert await effects(database) == [sent.id]
    # Of who waits already, since nobody else tells it of the commit.
    (held,) = await driver.dequeue(["mail"], limit=2, wait=10)
    assert held.id == sent.id


async def test_neither_a_message_nor_a_row_is_there_where_the_message_had_no_reply(
    driver: PostgresDriver, between: Proxy, database: str
) -> None:
    sent = message()
    async with caller(between) as connection:
        between.lose_replies(to=ENQUEUE)
        with pytest.raises(
            asyncpg.InterfaceError
        ) as told:  # where the block ends, of the client's own
            await sent_in(driver, connection, sent)
    assert isinstance(told.value.__context__, DriverUnavailable)
    assert await effects(database) == []
    assert await driver.dequeue(["mail"], limit=1, wait=0) == ()
    async with caller(between) as connection:
        await sent_in(driver, connection, sent)
    assert len(await driver.dequeue(["mail"], limit=2, wait=10)) == 1
