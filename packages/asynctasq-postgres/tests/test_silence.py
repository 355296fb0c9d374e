"""A server that answers nothing any more: calls end in time, and go on once it answers again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from time import monotonic

import pytest

from asynctasq.driver import Ack, Context, Message, Record, Release, Secret, TaskRef
from asynctasq.errors import DriverError, DriverUnavailable, OutcomeUnknown
from asynctasq_drivers.postgres import (
    PostgresDriver,
    PostgresOptions,
    _client,
    _exchange,
    _pool,
    _schema,
    _transactions,
    _wakes,
)
from tools.driver_tests import waiting

from .load import again, driver_on, under_load
from .servers.proxy import Proxy, proxy

pytestmark = [pytest.mark.asyncio, pytest.mark.concurrent]

LIMIT = 0.5
LATE = 4.0
"""Seconds within which a call has ended that waited for a connection, an answer, and a good-bye."""


@contextmanager
def short_limits(seconds: float = LIMIT) -> Iterator[None]:
    """Seconds would do in place of tens, but for a test; where answers come, for what begins before
    they cease."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_client, "CONNECT", seconds)
        for room in (_exchange, _schema, _transactions):
            patch.setattr(room, "ANSWER", seconds)
        patch.setattr(_schema, "STEP", seconds)
        patch.setattr(_wakes, "TRY", seconds)
        patch.setattr(_wakes, "QUIET", seconds)
        patch.setattr(_pool, "GOODBYE", seconds)
        yield


@pytest.fixture
def between(database: str) -> Iterator[Proxy]:
    with proxy(database) as made:
        yield made


def message() -> Message:
    return Message(queue="mail", body=b"", visibility_timeout=60.0)


async def ends_in_time(call: Callable[[], Awaitable[object]]) -> DriverError:
    """The error with which it ends."""
    return await waiting.ends_in_time(call, LATE)


async def test_every_verb_ends_in_time_and_goes_on(between: Proxy, stack: AsyncExitStack) -> None:
    driver = await stack.enter_async_context(driver_on(between.url))
    sent = [message() for _ in range(3)]
    await driver.enqueue(sent)
    done, released, held = await driver.dequeue(["mail"], limit=3, wait=0)
    assert await driver.dequeue(["mail"], limit=1, wait=0.1) == ()  # it listens now
    record = Record(done.ref, "completed", b"", 60.0)
    between.swallow()
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: driver.enqueue([message()]),
        lambda: driver.dequeue(["mail"], limit=1, wait=0),
        lambda: driver.dequeue(["mail"], limit=1, wait=60),
        lambda: driver.settle([Ack(done, record)]),
        lambda: driver.settle([Release(released)]),
        lambda: driver.extend([held]),
        lambda: driver.store([record]),
        lambda: driver.result(held.ref, 60),
        lambda: driver.stats(),
        lambda: driver.purge("mail"),
        lambda: driver.get(done.ref),
        lambda: driver.list("pending", None, 10),
        lambda: driver.retry_dead([done.ref]),
        lambda: driver.delete([done.ref]),
    ]
    with short_limits():
        for call in calls:
            await ends_in_time(call)
        await asyncio.gather(*(ends_in_time(call) for call in calls))
    between.heal()
    assert not (await driver.settle([Ack(done, record), Release(released), Ack(held)])).lost
    assert len(await driver.dequeue(["mail"], limit=10, wait=0)) == 1


async def test_who_waits_finds_what_comes_after_the_silence(
    between: Proxy, database: str, stack: AsyncExitStack
) -> None:
    driver = await stack.enter_async_context(driver_on(between.url))
    elsewhere = await stack.enter_async_context(driver_on(database))
    with short_limits():
        waiting = asyncio.ensure_future(driver.dequeue(["mail"], limit=1, wait=60))
        await asyncio.sleep(0.2)  # so that it listens by then; if not, the test shows less
        between.swallow()
        await ends_in_time(lambda: waiting)
    between.heal()
    waiting = asyncio.ensure_future(
        again(lambda: driver.dequeue(["mail"], limit=1, wait=60)),
    )
    await elsewhere.enqueue([message()])
    start = monotonic()
    assert await waiting
    assert monotonic() - start < LATE


@pytest.mark.parametrize("answered", range(12))
async def test_an_open_ends_in_time_wherever_the_silence_begins_and_may_be_called_again(
    between: Proxy, stack: AsyncExitStack, answered: int
) -> None:
    driver = PostgresDriver(PostgresOptions(postgres_dsn=Secret(between.url)), Context())
    stack.push_async_callback(driver.close)
    between.swallow(after=answered)
    with short_limits():
        await ends_in_time(driver.open)
    between.heal()
    await driver.open()
    await driver.enqueue([message()])


@pytest.mark.parametrize("word", ["begin", "statement", "commit"])
async def test_a_transaction_of_a_task_ends_in_time(
    between: Proxy, stack: AsyncExitStack, word: str
) -> None:
    driver = await stack.enter_async_context(driver_on(between.url))
    await driver.enqueue([message()])
    (held,) = await driver.dequeue(["mail"], limit=1, wait=0)

    def fall_silent() -> None:
        between.swallow()
        stack.enter_context(short_limits())

    async def settled() -> None:
        if word == "begin":
            fall_silent()
        async with driver.transaction() as connection:
            if word == "statement":
                fall_silent()
                with pytest.raises(TimeoutError):  # what a task's own limit does
                    async with asyncio.timeout(0.1):
                        await connection.execute("SELECT 1")
                raise OutcomeUnknown(())
            await driver.settle_in(connection, Ack(held))
            fall_silent()

    told = await ends_in_time(settled)
    assert isinstance(told, DriverUnavailable if word == "begin" else OutcomeUnknown)
    between.heal()
    assert not (await again(lambda: driver.settle([Ack(held)]))).lost


async def test_close_ends_in_time(between: Proxy, stack: AsyncExitStack) -> None:
    async with driver_on(between.url) as driver:
        stack.enter_context(short_limits(2.0))
        waiting = asyncio.ensure_future(driver.dequeue(["mail"], limit=1, wait=60))
        result = asyncio.ensure_future(driver.result(TaskRef("mail", message().id), 60))
        sending = [asyncio.ensure_future(driver.enqueue([message()])) for _ in range(20)]
        await asyncio.gather(*sending)
        between.swallow()
        sending = [asyncio.ensure_future(driver.enqueue([message()])) for _ in range(20)]
        start = monotonic()
    assert monotonic() - start < 10
    ended = await asyncio.gather(waiting, result, *sending, return_exceptions=True)
    assert all(each in ((), None) or isinstance(each, DriverError | tuple) for each in ended)


async def test_under_load_nothing_is_lost(between: Proxy, stack: AsyncExitStack) -> None:
    async with under_load(between.url, lease=4) as load:
        stack.enter_context(short_limits(2.0))
        await load.goes_on(1)
        between.swallow()
        await asyncio.sleep(4.0)  # how long it lasts; nothing is waited for
        between.heal()
        print(f"consuming again after {await load.goes_on(1):.3f} s")
        await load.ends()
        print(f"{len(load.run_again())} of {len(load.confirmed)} tasks ran again")
        assert load.told
