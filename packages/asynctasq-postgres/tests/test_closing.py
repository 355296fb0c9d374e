"""What is under way when a driver is closed, or is cancelled, ends, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from typing import Any

import asyncpg
import pytest

from asynctasq.driver import Ack, Context, Message, Record, Secret, TaskRef
from asynctasq.errors import DriverError, OutcomeUnknown
from asynctasq_drivers.postgres import PostgresDriver, PostgresOptions, _lifecycle

from .load import driver_on
from .servers.own import ask, at, wait_for

pytestmark = [pytest.mark.asyncio, pytest.mark.concurrent]

LEFT = "SELECT query FROM pg_stat_activity WHERE datname = %s"
WAITS = f"{LEFT} AND wait_event_type = 'Lock'"


@pytest.fixture
def watched(database: str, stack: AsyncExitStack) -> Iterator[str]:
    """A database to which nobody is connected any more, soon after a test of it has ended."""
    yield database
    name, other = database.rpartition("/")[2], at(database, "postgres")
    wait_for(lambda: ask(other, LEFT, name) == [], "the end of all connections", 5)


def message(queue: str = "mail") -> Message:
    return Message(queue=queue, body=b"", visibility_timeout=60.0)


async def outcome(call: Awaitable[Any]) -> bool:
    """Whether it worked; else it was refused, or told that it is not known."""
    try:
        await call
    except DriverError:
        return False
    return True


def made(url: str, size: int) -> PostgresDriver:
    options = PostgresOptions(
        postgres_dsn=Secret(url), postgres_max_pool_size=size, postgres_min_pool_size=1
    )
    return PostgresDriver(options, Context())


async def some_turns(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("turns", range(0, 40, 4))
async def test_a_close_lets_what_is_under_way_end_and_refuses_the_rest(
    watched: str, turns: int, size: int
) -> None:
    driver = made(watched, size)
    await driver.open()
    sent = [message(f"mail{number}") for number in range(12)]
    calls = [asyncio.ensure_future(outcome(driver.enqueue([each]))) for each in sent]
    waiting = [
        asyncio.ensure_future(driver.dequeue(["other"], limit=1, wait=60)),
        asyncio.ensure_future(driver.result(TaskRef("other", sent[0].id), 60)),
    ]
    await some_turns(turns)
    await driver.close()
    told = await asyncio.gather(*calls)
    for ended in await asyncio.gather(*waiting, return_exceptions=True):
        assert ended in ((), None) or isinstance(ended, DriverError)
    async with driver_on(watched) as other:
        stored = [await other.get(each.ref) is not None for each in sent]
    assert stored == told


async def test_a_statement_that_outlasts_a_close_is_ended_and_leaves_no_connection_behind(
    watched: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_lifecycle, "LAST_WAIT", 0.1)
    async with driver_on(watched) as driver:
        locked = await asyncpg.connect(watched)
        async with locked.transaction():
            await locked.execute("LOCK TABLE task_queue")
            sending = asyncio.ensure_future(driver.enqueue([message()]))
            name, other = watched.rpartition("/")[2], at(watched, "postgres")
            await asyncio.to_thread(wait_for, lambda: ask(other, WAITS, name), "a lock is awaited")
            await driver.close()
            with pytest.raises(OutcomeUnknown):
                await sending
        await locked.close()


@pytest.mark.parametrize("turns", range(0, 60, 3))
async def test_a_close_while_it_is_opened_ends_that_too(watched: str, turns: int) -> None:
    driver = made(watched, 4)
    opening = asyncio.ensure_future(outcome(driver.open()))
    await some_turns(turns)
    await driver.close()
    await opening


@pytest.mark.parametrize("verb", ["enqueue", "dequeue", "wait", "result", "open", "transaction"])
async def test_a_call_that_is_cancelled_at_any_time_leaves_nothing_behind(
    watched: str, verb: str
) -> None:
    chance = random.Random(verb)
    for _ in range(40):
        driver = made(watched, 2)
        if verb != "open":
            await driver.open()
        calls = [asyncio.ensure_future(outcome(CALLS[verb](driver))) for _ in range(4)]
        await asyncio.sleep(chance.uniform(0, 0.02))  # when is the point; nothing is waited for
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        if verb != "open":
            await driver.enqueue([message()])
            assert await driver.dequeue(["mail"], limit=100, wait=1)
        await driver.close()


async def _transaction(driver: PostgresDriver) -> None:
    async with driver.transaction() as connection:
        await connection.execute("SELECT pg_sleep(0.005)")


CALLS: dict[str, Callable[[PostgresDriver], Awaitable[Any]]] = {
    "enqueue": lambda driver: driver.enqueue([message()]),
    "dequeue": lambda driver: driver.dequeue(["other"], limit=1, wait=0),
    "wait": lambda driver: driver.dequeue(["other"], limit=1, wait=60),
    "result": lambda driver: driver.result(TaskRef("other", message().id), 60),
    "open": lambda driver: driver.open(),
    "transaction": _transaction,
}


async def test_calls_that_are_cancelled_under_load_lose_nothing_and_do_nothing_twice(
    watched: str,
) -> None:
    chance, ran = random.Random(7), dict[Any, int]()
    sent: list[Message] = []
    done = asyncio.Event()

    async def consume(driver: PostgresDriver) -> None:
        """Take some and settle it, for ever; whoever is cancelled begins again."""
        while not done.is_set():
            with suppress(DriverError):
                for held in await driver.dequeue(["mail"], limit=3, wait=0.5):
                    ack = Ack(held, Record(held.ref, "completed", b"", 60.0))
                    if not (await driver.settle([ack])).lost:
                        ran[held.id] = ran.get(held.id, 0) + 1

    async with driver_on(watched, min_pool_size=4, max_pool_size=4) as driver:
        consumers = [asyncio.ensure_future(consume(driver)) for _ in range(6)]
        for _ in range(150):
            batch = [Message(queue="mail", body=b"", visibility_timeout=1.0) for _ in range(3)]
            sending = asyncio.ensure_future(driver.enqueue(batch))
            await asyncio.sleep(chance.uniform(0, 0.02))  # when is the point
            sending.cancel()
            await asyncio.wait((sending,))
            if not sending.cancelled():
                sent += batch
            number = chance.randrange(6)
            consumers[number].cancel()
            await asyncio.wait((consumers[number],))
            consumers[number] = asyncio.ensure_future(consume(driver))
        async with asyncio.timeout(20):
            while any(each.pending or each.running for each in await driver.stats(["mail"])):
                await asyncio.sleep(0.05)
        done.set()
        await asyncio.gather(*consumers)
        ended = [await driver.result(each.ref, 0) for each in sent]
    print(f"{len(sent)} tasks confirmed, {len(ran)} known to have ended")
    assert all(ended), "lost"
    assert set(ran.values()) == {1}
