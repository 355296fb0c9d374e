"""The rights that the README asks for are enough, and none of them is too much."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import asyncpg
import psycopg
import pytest

from asynctasq.driver import Ack, Context, DeadLetter, Failure, Release, Retry
from asynctasq.errors import BackendRefused, DriverError
from asynctasq_drivers.postgres import PostgresDriver
from tools import rooms, tour
from tools.backends import Room

from .drivers import made, message, opened, record, taken
from .page import PAGE
from .servers.own import HOST, ask, at, server

pytestmark = pytest.mark.asyncio
RIGHTS = [
    found[1]
    for step in tour.steps(rooms.read(PAGE, "rights"))
    if (found := re.fullmatch(r"""psql shop -c ["'](.*)["']""", step.command))
]
"""What an administrator says: `GRANT USAGE ON SCHEMA jobs TO jobs_worker`."""
TABLES = {
    "queue_table": "jobs.task_queue",
    "dead_letter_table": "jobs.dead_letter_queue",
}
FAILURE = Failure("ValueError", "no")
_TOLD = "permission denied.*the README tells|table .* there is none"


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    """With the roles of the page, and the tables, which their owner has made."""
    with server() as room:
        ask(room, "CREATE DATABASE shop")
        for statement in RIGHTS[:2]:
            ask(room, statement, database="shop")
        asyncio.run(made(dsn(room, "jobs_owner"), **TABLES).migrate())
        for statement in RIGHTS[2:]:
            ask(room, statement, database="shop")
        yield room


def dsn(room: Room, user: str) -> str:
    return urlsplit(at(room.url, "shop"))._replace(netloc=f"{user}@{HOST}:{room.port}").geturl()


def _each(role: str) -> list[str]:
    """Every single right of a role: `SELECT ON jobs.task_queue`."""
    found = []
    for statement in RIGHTS:
        grant = re.fullmatch(rf"GRANT (.*) ON (SCHEMA )?(.*) TO {role}", statement)
        if grant and grant[2]:
            found += [f"{right} ON SCHEMA {grant[3]}" for right in grant[1].split(", ")]
        elif grant:
            rights, tables = grant[1].split(", "), grant[3].split(", ")
            found += [f"{right} ON {table}" for table in tables for right in rights]
    return found


@pytest.fixture(autouse=True)
def _by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else clears away what is to be cleared away here."""
    monkeypatch.setattr(PostgresDriver, "_begin_consuming", lambda _: None)


@contextmanager
def _without(room: Room, right: str, role: str) -> Iterator[None]:
    ask(room, f"REVOKE {right} FROM {role}", database="shop")
    try:
        yield
    finally:
        ask(room, f"GRANT {right} TO {role}", database="shop")


async def everything(place: str) -> None:
    """Every verb, with all that its statement may do."""
    context = Context(dead_ttl=0.05, keep_completed_tasks=True, completed_ttl=0.05)
    async with opened(place, **TABLES) as driver, opened(place, context, **TABLES) as brief:
        await _all_outcomes(driver, brief)
        await _looked_at(driver)
        await asyncio.sleep(0.06)
        assert (await driver._send(driver._sql.sweep, 100))[0][0] > 0
        await _waited_for(driver)


async def _all_outcomes(driver: PostgresDriver, brief: PostgresDriver) -> None:
    await driver.enqueue([message() for _ in range(8)])
    a, b, c, d, e, f = await driver.dequeue(["mail"], limit=6, wait=0)
    await driver.extend([a])
    await driver.settle([Ack(a, record(a))])
    await driver.settle([Retry(b, 0, FAILURE), Release(c), DeadLetter(d, FAILURE, record(d))])
    await brief.settle([DeadLetter(e, FAILURE), Ack(f, record(f))])
    assert await driver.retry_dead([d.ref]) == (d.ref,)
    await driver.store([record(d, None)])
    await driver.store([record(d, 0.01)])


async def _looked_at(driver: PostgresDriver) -> None:
    for state in ("pending", "scheduled", "running", "dead", "completed"):
        await driver.list(state, None, 10)  # type: ignore[arg-type]
    assert await driver.stats()
    last = message(queue="other")
    await driver.enqueue([last])
    assert await driver.get(last.ref)
    assert await driver.delete([last.ref]) == (last.ref,)
    await driver.purge("mail")


async def _waited_for(driver: PostgresDriver) -> None:
    sent = message()
    result = asyncio.ensure_future(driver.result(sent.ref, 10))
    work = asyncio.ensure_future(taken(driver, wait=10))
    try:
        await asyncio.sleep(0.1)
        await driver.enqueue([sent])
        await driver.settle([Ack(delivery := await work, record(delivery))])
        assert await result == record(delivery)
    finally:
        for each in (work, result):
            each.cancel()
            with suppress(asyncio.CancelledError, DriverError):
                await each


async def sends(place: str) -> None:
    """What a program does that only dispatches: by itself, again, and on its own connection."""
    async with opened(place, **TABLES) as driver:
        sent = message(queue="sent")
        await driver.enqueue([sent])
        driver._in_doubt.add(sent.id)  # as after a reply that was lost
        await driver.enqueue([sent])
        assert await driver.result(sent.ref, 0) is None
        connection = await asyncpg.connect(place)
        async with connection.transaction():
            await driver.enqueue_in(connection, [message(queue="sent")])
        await connection.close()


async def test_the_rights_of_a_worker_are_enough(room: Room) -> None:
    await everything(dsn(room, "jobs_worker"))
    await sends(dsn(room, "jobs_worker"))


async def test_the_rights_of_who_only_dispatches_are_enough(room: Room) -> None:
    await sends(dsn(room, "jobs_sender"))


@pytest.mark.once
@pytest.mark.parametrize("right", _each("jobs_worker"))
async def test_without_one_of_a_workers_something_is_refused(room: Room, right: str) -> None:
    with _without(room, right, "jobs_worker"), pytest.raises(BackendRefused, match=_TOLD):
        await everything(dsn(room, "jobs_worker"))


@pytest.mark.once
@pytest.mark.parametrize("right", _each("jobs_sender"))
async def test_without_one_of_a_senders_something_is_refused(room: Room, right: str) -> None:
    with _without(room, right, "jobs_sender"), pytest.raises(BackendRefused, match=_TOLD):
        await sends(dsn(room, "jobs_sender"))


async def test_nobody_but_the_owner_may_change_the_tables(room: Room) -> None:
    for role in ("jobs_worker", "jobs_sender"):
        for statement in ("DROP TABLE jobs.task_queue", "CREATE TABLE jobs.mine (n int)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                ask(dsn(room, role), statement)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ask(dsn(room, "jobs_sender"), "UPDATE jobs.task_queue SET attempt = 1")
