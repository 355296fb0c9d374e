"""The server has no connection left: a driver goes on with its own, and says so without."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack

import psycopg
import pytest
import pytest_asyncio

from asynctasq.driver import Ack, Context, Message, Secret
from asynctasq.errors import DriverUnavailable, OutcomeUnknown
from asynctasq_drivers.postgres import PostgresDriver, PostgresOptions
from tools.backends import Room

from .load import again, driver_on, under_load
from .servers.own import server, wait_for

pytestmark = [pytest.mark.asyncio, pytest.mark.concurrent]

LIMIT = 16
SAID = "lower postgres_max_pool_size, or raise max_connections"


class Others:
    """Who holds connections to the server."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._held: list[psycopg.Connection] = []

    def take_all(self) -> None:
        """Every connection that is left; there is one at least, at once or soon."""
        wait_for(self._take, "a connection that is left")
        while self._take():
            pass

    def _take(self) -> bool:
        try:
            self._held.append(psycopg.connect(self._room.url, autocommit=True))
        except psycopg.OperationalError as error:
            if "too many clients" not in str(error):
                raise
            return False
        return True

    def end_all_else(self) -> None:
        """The connections of everybody who is no other."""
        mine = [each.info.backend_pid for each in self._held]
        self._held[0].execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> ALL (%s)",
            [mine],
        )

    def give_one(self) -> None:
        self._held.pop().close()

    def give_all(self) -> None:
        while self._held:
            self.give_one()


@pytest.fixture
def room() -> Iterator[Room]:
    settings = (f"max_connections={LIMIT}", "superuser_reserved_connections=0")
    with server(*(word for setting in settings for word in ("-c", setting))) as own:
        yield own


@pytest.fixture
def others(room: Room) -> Iterator[Others]:
    with ExitStack() as stack:
        made = Others(room)
        stack.callback(made.give_all)
        yield made


@pytest_asyncio.fixture
async def driver(room: Room, stack: AsyncExitStack) -> AsyncIterator[PostgresDriver]:
    """One that has a single connection so far."""
    yield await stack.enter_async_context(driver_on(room.url))


def message() -> Message:
    return Message(queue="mail", body=b"", visibility_timeout=60.0)


async def test_a_driver_opens_once_there_is_a_connection_and_says_before_that_there_is_none(
    room: Room, others: Others
) -> None:
    driver = PostgresDriver(PostgresOptions(postgres_dsn=Secret(room.url)), Context())
    others.take_all()
    with pytest.raises(DriverUnavailable, match=SAID):
        await driver.open()
    others.give_one()
    await again(driver.open)
    await driver.enqueue([message()])
    await driver.close()


async def test_what_was_open_says_that_there_is_none_and_goes_on_once_there_is_one(
    driver: PostgresDriver, others: Others
) -> None:
    others.take_all()
    await asyncio.to_thread(others.end_all_else)
    await asyncio.to_thread(others.take_all)
    with pytest.raises((DriverUnavailable, OutcomeUnknown)):
        await driver.stats()  # the end of its connection may not have been heard yet
    calls = (driver.enqueue([message()]) for _ in range(20))
    for told in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(told, DriverUnavailable)
        assert SAID in str(told)
    others.give_one()
    await again(lambda: driver.enqueue([message()]))
    assert len(await driver.dequeue(["mail"], limit=100, wait=0)) == 1


@pytest.mark.parametrize("calls", [2, 3, 100])
async def test_however_many_calls_there_are_each_is_answered_with_the_one_connection_that_it_has(
    driver: PostgresDriver, others: Others, calls: int
) -> None:
    others.take_all()
    async with asyncio.timeout(20):
        for _ in range(5):
            await asyncio.gather(*(driver.enqueue([message()]) for _ in range(calls)))
            held = await driver.dequeue(["mail"], limit=calls, wait=0)
            assert len(held) == calls
            settled = await asyncio.gather(*(driver.settle([Ack(each)]) for each in held))
            assert not any(each.lost for each in settled)


@pytest.mark.parametrize("spared", [4, 8])
async def test_workers_go_on_with_the_connections_that_they_have(
    room: Room, others: Others, spared: int
) -> None:
    others.take_all()
    for _ in range(spared):
        others.give_one()
    async with under_load(room.url, lease=20) as load:
        print(f"{await load.goes_on():.3f} s with {spared} connections")
        others.give_all()
        print(f"{await load.goes_on():.3f} s with {LIMIT}")
        await load.ends()
        print(f"{len(load.confirmed)} tasks")
        assert load.told == []
        assert load.run_again() == {}
