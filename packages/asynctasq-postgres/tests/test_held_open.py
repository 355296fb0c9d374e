"""A transaction is held open for long: what is deleted meanwhile stays, and is in the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from time import monotonic
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]
import pytest
import pytest_asyncio

from asynctasq.driver import Ack, Context, Delivery, Message, Release, Secret
from asynctasq_drivers.postgres import PostgresDriver, PostgresOptions, _low_water
from asynctasq_drivers.postgres._exchange import SETTINGS

from .servers.own import ask

pytestmark = pytest.mark.asyncio

DEAD = 20_000


@pytest_asyncio.fixture
async def driver(database: str, stack: AsyncExitStack) -> AsyncIterator[PostgresDriver]:
    """One whose table is full of dead rows, which a transaction of somebody keeps."""
    opened = PostgresDriver(PostgresOptions(postgres_dsn=Secret(database)), Context())
    await opened.open()
    stack.push_async_callback(opened.close)
    holder: Any = await asyncpg.connect(database)
    stack.push_async_callback(holder.close)
    await holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM task_queue")
    for _ in range(DEAD // 1000):
        await opened.enqueue(messages(1000))
        await opened.settle(list(map(Ack, await taken(opened, 1000))))
    yield opened


def messages(count: int) -> list[Message]:
    return [Message(queue="mail", body=b"x", visibility_timeout=60.0) for _ in range(count)]


async def taken(driver: PostgresDriver, limit: int) -> Sequence[Delivery]:
    return await driver.dequeue(["mail"], limit=limit, wait=0)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look is one too many, so that a test need not wait until they are."""
    monkeypatch.setattr(_low_water, "SLOW", 0.0)
    monkeypatch.setattr(_low_water, "TIMES", 0)


async def pages(driver: PostgresDriver, database: str, mark: datetime | None) -> int:
    """How many pages a look for one message reads, from there on."""
    connection: Any = await asyncpg.connect(database, server_settings=dict(SETTINGS))
    try:
        sql = driver._sql.dequeue.replace("$1::text[]", "'{mail}'::text[]").replace("$3", "1")
        sql = sql.replace("$2::timestamptz[]", f"ARRAY[{told_as(mark)}]::timestamptz[]")
        ((plan,),) = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}")
        (told,) = json.loads(plan)
        return int(told["Plan"]["Shared Hit Blocks"] + told["Plan"]["Shared Read Blocks"])
    finally:
        await connection.close()


def told_as(mark: datetime | None) -> str:
    return "NULL" if mark is None else f"'{mark.isoformat()}'"


async def test_a_look_from_the_last_place_steps_over_nothing_dead(
    driver: PostgresDriver, database: str
) -> None:
    await driver.enqueue(messages(200))
    (oldest,) = ask(database, "SELECT min(due_at) FROM task_queue")
    from_the_last = await pages(driver, database, oldest)
    from_the_beginning = await pages(driver, database, None)
    assert from_the_beginning > DEAD / 100
    assert from_the_last < from_the_beginning / 5


@pytest.mark.usefixtures("slow")
async def test_most_looks_begin_there_and_find_all(
    driver: PostgresDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_low_water, "SHARE", 10_000)  # the next from the beginning is far away
    for _ in range(_low_water.IN_A_ROW):
        await driver.enqueue(messages(1))
        (one,) = await taken(driver, 1)
        await driver.settle([Ack(one)])
    assert driver._low_water.marks(["mail"]) != [None], "looks from the beginning are slow"
    sent = messages(50)
    await driver.enqueue(sent)
    found = await taken(driver, 100)
    assert [delivery.id for delivery in found] == [message.id for message in sent]


@pytest.mark.usefixtures("slow")
async def test_what_comes_back_to_an_earlier_place_is_found_soon(driver: PostgresDriver) -> None:
    for message in messages(_low_water.IN_A_ROW + 2):  # at as many places
        await driver.enqueue([message])
    (first,) = await taken(driver, 1)
    for _ in range(_low_water.IN_A_ROW):
        assert await taken(driver, 1)
    await driver.settle([Release(first)])
    found: list[Any] = []
    deadline = monotonic() + 10.0
    while first.id not in found and monotonic() < deadline:
        found += [each.id for each in await driver.dequeue(["mail"], limit=5, wait=0.5)]
        await asyncio.sleep(0)
    assert first.id in found
