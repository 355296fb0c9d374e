"""Who waits is woken by what comes, after its commit, at a price that others do not pay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from time import monotonic
from typing import Final, NamedTuple

import asyncpg
import psycopg
import pytest
import pytest_asyncio

from asynctasq.driver import Ack, DeadLetter, Delivery, Failure, Record
from asynctasq_drivers.postgres import PostgresDriver, _commits, _driver, _tasks
from asynctasq_drivers.postgres._lifecycle import SOON

from .drivers import message, opened, record, taken
from .servers.own import ask, wait_for

FAILURE: Final = Failure("ValueError", "no", "Traceback")
WAITS: Final = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"

pytestmark = [pytest.mark.concurrent, pytest.mark.asyncio]


class Heard(NamedTuple):
    """A notification, and the server's process that sent it."""

    process: int
    words: list[str]


class Listener:
    """Somebody who hears what is told of tasks and of results."""

    def __init__(self) -> None:
        self._heard: asyncio.Queue[Heard] = asyncio.Queue()

    def hear(self, _: object, process: int, __: str, told: str) -> None:
        self._heard.put_nowait(Heard(process, told.split()))

    async def next(self) -> Heard:
        return await asyncio.wait_for(self._heard.get(), 20.0)

    async def until(self, word: str) -> list[Heard]:
        """All notifications up to that which tells it."""
        heard = [await self.next()]
        while word not in heard[-1].words:
            heard.append(await self.next())
        return heard


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks again by itself: whoever goes on was woken."""
    for module in (_driver, _tasks):
        monkeypatch.setattr(module, "LOOK_AGAIN", 3600.0)


@pytest_asyncio.fixture
async def driver(database: str, stack: AsyncExitStack) -> PostgresDriver:
    return await stack.enter_async_context(opened(database))


@pytest_asyncio.fixture
async def other(driver: PostgresDriver, database: str, stack: AsyncExitStack) -> PostgresDriver:
    """In another process, as far as the first can tell."""
    return await stack.enter_async_context(opened(database))


@pytest_asyncio.fixture
async def listener(
    driver: PostgresDriver, database: str, stack: AsyncExitStack
) -> AsyncIterator[Listener]:
    made = Listener()
    connection = await asyncpg.connect(database)
    stack.push_async_callback(connection.close)
    await connection.add_listener(driver._names.channel, made.hear)
    await connection.add_listener(driver._names.results_channel, made.hear)
    yield made


async def waiting(driver: PostgresDriver) -> asyncio.Task[tuple[Delivery, ...]]:
    """A dequeue that has looked, and found nothing."""
    call = asyncio.create_task(driver.dequeue(["mail"], limit=10, wait=60.0))
    async with asyncio.timeout(20.0):
        while not (driver._wakes.listening and driver._wakes._waiters):
            await asyncio.sleep(0.005)
    await driver.stats(["mail"])
    await asyncio.wait((call,), timeout=0.1)
    assert not call.done()
    return call


async def ends(call: asyncio.Task[tuple[Delivery, ...]]) -> tuple[Delivery, ...]:
    return await asyncio.wait_for(call, 20.0)


async def test_a_burst_is_told_of_a_few_times_and_from_its_beginning_on(
    driver: PostgresDriver, listener: Listener
) -> None:
    start = monotonic()
    burst = asyncio.gather(*(driver.enqueue([message()]) for _ in range(2000)))
    assert (await listener.next()).words == ["mail"]
    assert not burst.done()
    await burst
    most = 3 + (monotonic() - start) / SOON
    await driver.enqueue([message(queue="last")])
    heard = await listener.until("last")
    assert len(heard) < min(most, 500)
    assert {word for _, words in heard for word in words} == {"mail", "last"}


async def test_many_queues_are_told_of_together(driver: PostgresDriver, listener: Listener) -> None:
    batch = [message(queue=f"{'x' * 100}-{n}") for n in range(200)]
    await driver.enqueue(batch)
    await driver.enqueue([message(queue="last")])
    heard = await listener.until("last")
    assert len(heard) <= 4  # of some thousand bytes each
    told = {word for _, words in heard for word in words}
    assert told == {m.queue for m in batch} | {"last"}


async def test_a_callers_transaction_has_no_notification_in_it(
    driver: PostgresDriver, listener: Listener, database: str
) -> None:
    """With one its commit would wait for those of all others that have one."""
    async with await psycopg.AsyncConnection.connect(database) as mine:
        await driver.enqueue_in(mine, [message(), message()])
        await mine.commit()
        heard = await listener.next()
        assert heard.words == ["mail"]
        assert heard.process != mine.info.backend_pid


async def test_a_waiter_is_woken_by_the_commit_and_not_before(
    driver: PostgresDriver, other: PostgresDriver, database: str
) -> None:
    seconds = []
    for _ in range(9):
        call = await waiting(other)
        with psycopg.connect(database) as mine:
            await driver.enqueue_in(mine, [sent := message()])
            await asyncio.wait((call,), timeout=0.05)
            assert not call.done()
            mine.commit()
            start = monotonic()
            (delivery,) = await ends(call)
            seconds.append(monotonic() - start)
        assert delivery.id == sent.id
    assert sorted(seconds)[4] < 0.25


async def test_a_transaction_that_is_open_for_long_holds_up_the_wakes_of_no_other(
    driver: PostgresDriver, other: PostgresDriver, database: str
) -> None:
    seconds = []
    with psycopg.connect(database) as long:
        await driver.enqueue_in(long, [message(queue="long")])
        for _ in range(5):
            async with asyncio.timeout(20):
                while driver._commits._pause < _commits.LONGEST:
                    await asyncio.sleep(0.01)
            call = await waiting(other)
            with psycopg.connect(database) as mine:
                await driver.enqueue_in(mine, [message()])
                mine.commit()
                start = monotonic()
                await ends(call)
                seconds.append(monotonic() - start)
    assert sorted(seconds)[2] < 0.25


async def test_a_message_wakes_at_once(driver: PostgresDriver, other: PostgresDriver) -> None:
    seconds = []
    for _ in range(9):
        call = await waiting(other)
        start = monotonic()
        await driver.enqueue([message()])
        await ends(call)
        seconds.append(monotonic() - start)
    assert sorted(seconds)[4] < 0.25


async def test_what_was_rolled_back_wakes_nobody(
    driver: PostgresDriver, other: PostgresDriver, listener: Listener, database: str
) -> None:
    call = await waiting(other)
    with psycopg.connect(database) as mine:
        await driver.enqueue_in(mine, [message()])
        mine.rollback()
    async with asyncio.timeout(20.0):
        while driver._commits._open:
            await asyncio.sleep(0.005)
    assert not call.done()
    await driver.enqueue([message(queue="last")])
    assert [words for _, words in await listener.until("last")] == [["last"]]
    await driver.enqueue([sent := message()])
    (delivery,) = await ends(call)
    assert delivery.id == sent.id


@pytest.mark.parametrize("how", ["ack", "dead letter", "stored", "in a transaction"])
async def test_who_waits_for_a_result_is_woken(
    driver: PostgresDriver, other: PostgresDriver, database: str, how: str
) -> None:
    await driver.enqueue([message()])
    delivery = await taken(driver)
    call = asyncio.create_task(other.result(delivery.ref, 60.0))
    await asyncio.to_thread(wait_for, lambda: ask(database, WAITS) == [1], "it waits")
    await other.stats(["mail"])
    if how == "ack":
        await driver.settle([Ack(delivery, record(delivery))])
    elif how == "dead letter":
        ended = Record(delivery.ref, "dead", FAILURE, None)
        await driver.settle([DeadLetter(delivery, FAILURE, ended)])
    elif how == "stored":
        await driver.store([record(delivery)])
    else:
        async with driver.transaction() as connection:
            await driver.settle_in(connection, Ack(delivery, record(delivery)))
            await asyncio.wait((call,), timeout=0.05)
            assert not call.done()
    assert await asyncio.wait_for(call, 20.0)


async def test_where_nobody_waits_for_results_nobody_is_told_of_them(
    driver: PostgresDriver, other: PostgresDriver, listener: Listener, database: str
) -> None:
    async def run() -> Delivery:
        await driver.enqueue([message()])
        assert (await listener.next()).words == ["mail"]
        delivery = await taken(driver)
        await driver.settle([Ack(delivery, record(delivery))])
        await driver._results_news.told()
        return delivery

    for _ in range(3):
        await run()  # the next that is told is the next task
    call = asyncio.create_task(other.result(message().ref, 60.0))
    await asyncio.to_thread(wait_for, lambda: ask(database, WAITS) == [1], "it waits")
    delivery = await run()
    assert (await listener.next()).words == [delivery.id.hex]
    call.cancel()
    await asyncio.wait((call,))
