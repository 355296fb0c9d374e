"""Statements that others are at odds with: conflicts, deadlocks. They are sent again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress

import psycopg
import pytest

from asynctasq.driver import Message
from tools.backends import Room

from .load import driver_on, under_load
from .servers.own import ask, server

pytestmark = [pytest.mark.asyncio, pytest.mark.concurrent]


@pytest.fixture
def room() -> Iterator[Room]:
    with server("-c", "deadlock_timeout=10ms", "-c", "max_connections=200") as own:
        yield own


@pytest.mark.parametrize("isolation", ["serializable", "repeatable read"])
async def test_the_isolation_that_a_database_has_for_all_costs_nobody_anything(
    room: Room, isolation: str
) -> None:
    sql = f"ALTER DATABASE test SET default_transaction_isolation = '{isolation}'"
    await asyncio.to_thread(ask, room, sql)
    for pgbouncer in (False, True):  # which has a transaction around each statement
        async with under_load(room.url, lease=20, pgbouncer=pgbouncer) as load:
            await load.goes_on(200)
            await load.ends()
            assert load.told == []
            assert load.run_again() == {}
            print(f"{len(load.confirmed)} tasks")


class Rivals:
    """Who lock rows of the queue, one after the other, the newest first."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stopped = threading.Event()
        self.deadlocks = 0
        """How many of theirs were broken off in favour of the driver."""

    def run(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._stopped.is_set():
                with suppress(psycopg.errors.DeadlockDetected):
                    self._lock_some(connection)
                    continue
                self.deadlocks += 1

    def _lock_some(self, connection: psycopg.Connection) -> None:
        found = connection.execute(
            "SELECT queue, id FROM task_queue WHERE locked_until IS NOT NULL "
            "ORDER BY seq DESC LIMIT 5"
        ).fetchall()
        with connection.transaction():
            for row in found:
                sql = "SELECT FROM task_queue WHERE queue = %s AND id = %s FOR UPDATE"
                connection.execute(sql, row)

    def stop(self) -> None:
        self._stopped.set()


@contextmanager
def rivals(url: str, count: int) -> Generator[Rivals]:
    made = Rivals(url)
    threads = [threading.Thread(target=made.run) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        made.stop()
        for thread in threads:
            thread.join()


DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'test'"


@pytest.mark.parametrize("pgbouncer", [False, True])
async def test_deadlocks_with_who_locks_rows_in_another_order_end_and_each_outcome_happens_once(
    room: Room, pgbouncer: bool
) -> None:
    async with under_load(room.url, lease=20, pgbouncer=pgbouncer) as load:
        with rivals(room.url, 3) as others:
            while not await asyncio.to_thread(
                lambda: ask(room, DEADLOCKS)[0] - others.deadlocks > 2
            ):
                await load.goes_on()
        await load.ends()
        (deadlocks,) = await asyncio.to_thread(ask, room, DEADLOCKS)
        print(f"{deadlocks} deadlocks, {others.deadlocks} of others; {len(load.confirmed)} tasks")
        assert load.run_again() == {}


async def test_what_is_enqueued_twice_at_once_in_opposite_order_is_stored_once(room: Room) -> None:
    async with driver_on(room.url) as driver:
        sent = [Message(queue="mail", body=b"", visibility_timeout=60.0) for _ in range(200)]
        for _ in range(10):
            await asyncio.gather(*(driver.enqueue(each) for each in (sent, sent[::-1]) * 3))
        held = await driver.dequeue(["mail"], limit=1000, wait=0)
        assert sorted(each.id for each in held) == sorted(each.id for each in sent)
        await asyncio.gather(*(driver.extend(each) for each in (held, held[::-1]) * 3))
