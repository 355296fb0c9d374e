"""Statements on a caller's connection are part of its transaction, whatever the connection is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from asynctasq.errors import DriverUnavailable
from asynctasq_drivers.postgres._callers import in_transaction_of
from tools.backends import Room

from .callers import INSERT, KINDS, OTHERS, Kind, database, dsn, look, until

pytestmark = [pytest.mark.asyncio, pytest.mark.parametrize("kind", KINDS)]

Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def server() -> Iterator[Room]:
    with database() as room:
        yield room


@pytest.fixture
def room(server: Room) -> Room:
    look(server, "TRUNCATE stored, own")
    return server


def one(queue: str = "mail") -> list[Any]:
    return [[queue], [uuid4()], [0.5], [b"body"], [1], 1]


def stored(room: Room) -> list[Row]:
    return look(room, "SELECT queue FROM stored ORDER BY number")


def own(room: Room) -> list[Row]:
    return look(room, "SELECT name FROM own")


async def test_what_is_stored_commits_with_the_callers_own_rows(room: Room, kind: Kind) -> None:
    async with kind(dsn(room)) as caller:
        await caller.run("INSERT INTO own VALUES ('Ada')")
        await in_transaction_of(caller.connection, INSERT, one())
        assert (stored(room), own(room)) == ([], []), "visible too early"
        await caller.commit()
    assert (stored(room), own(room)) == ([("mail",)], [("Ada",)])


async def test_as_the_first_statement_it_begins_what_the_owner_has_to_commit(
    room: Room, kind: Kind
) -> None:
    async with kind(dsn(room)) as caller:
        await in_transaction_of(caller.connection, INSERT, one())
        assert stored(room) == [], "visible too early"
        await caller.commit()
    assert stored(room) == [("mail",)]


async def test_a_rollback_leaves_nothing(room: Room, kind: Kind) -> None:
    async with kind(dsn(room)) as caller:
        await caller.run("INSERT INTO own VALUES ('Ada')")
        await in_transaction_of(caller.connection, INSERT, one())
        await caller.rollback()
    assert (stored(room), own(room)) == ([], [])


async def test_an_error_of_the_owner_leaves_nothing(room: Room, kind: Kind) -> None:
    async def failing() -> None:
        async with kind(dsn(room)) as caller:
            await in_transaction_of(caller.connection, INSERT, one())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await failing()
    until(room, f"SELECT 1 {OTHERS}", empty=True)
    assert stored(room) == []


async def test_a_savepoint_takes_back_what_came_after_it(room: Room, kind: Kind) -> None:
    async with kind(dsn(room)) as caller:
        await in_transaction_of(caller.connection, INSERT, one("before"))
        await caller.run("SAVEPOINT here")
        await in_transaction_of(caller.connection, INSERT, one("within"))
        await caller.run("ROLLBACK TO SAVEPOINT here")
        await in_transaction_of(caller.connection, INSERT, one("after"))
        await caller.commit()
    assert stored(room) == [("before",), ("after",)]


TWO = [UUID(int=1), UUID(int=2)]
VALUES: dict[str, list[Any]] = {
    "one": [["mail"], [UUID(int=7)], [1.5], [b"\x00\xff'\\\n"], [3]],
    "unicode": [["é \U0001f600 %s :name ' \\"], [UUID(int=1)], [0.0], ["\U0001f600".encode()], [1]],
    "null": [[None, "b"], [UUID(int=1), None], [None, 2.0], [None, b""], [1, None]],
    "all-null": [[None], [None], [None], [None], [None]],
    "ints-among-floats": [["a", "b"], TWO, [1, 2.5], [b"1", b"2"], [1, 2]],
    "only-ints": [["a"], [UUID(int=1)], [10], [b"1"], [2**31 - 1]],
    "bounds": [["a"], [UUID(int=2**128 - 1)], [float("inf")], [bytes(range(256))], [-(2**31)]],
    "empty": [[], [], [], [], []],
}


@pytest.mark.parametrize("columns", VALUES.values(), ids=VALUES.keys())
async def test_values_arrive_and_come_back_as_they_were(
    room: Room, kind: Kind, columns: list[Any]
) -> None:
    queues, ids, dues, bodies, attempts = columns
    async with kind(dsn(room)) as caller:
        rows = await in_transaction_of(caller.connection, INSERT, [*columns, 2**62])
        await caller.commit()
    texts = [None if id is None else str(id) for id in ids]
    assert rows == [*zip(queues, texts, bodies, attempts, strict=True)]
    assert {type(row) for row in rows} <= {tuple}
    expected = [*zip(queues, ids, dues, bodies, attempts, [2**62] * len(queues), strict=True)]
    columns_of_it = "queue, id, due, body, attempt, total"
    assert look(room, f"SELECT {columns_of_it} FROM stored ORDER BY number") == expected


async def test_a_thousand_rows_go_in_one_statement(room: Room, kind: Kind) -> None:
    ids = [uuid4() for _ in range(1000)]
    bodies = [bytes([n % 256]) * 200 for n in range(1000)]
    columns = [["mail"] * 1000, ids, [0.5] * 1000, bodies, [*range(1000)]]
    async with kind(dsn(room)) as caller:
        rows = await in_transaction_of(caller.connection, INSERT, [*columns, 1])
        await caller.commit()
    assert [row[1] for row in rows] == [str(id) for id in ids]
    expected = [*zip(ids, bodies, strict=True)]
    assert look(room, "SELECT id, body FROM stored ORDER BY number") == expected


async def test_a_placeholder_may_be_used_twice_and_the_tenth_is_not_the_first(
    room: Room, kind: Kind
) -> None:
    names = ", ".join(f"${number}::text" for number in range(1, 11))
    sql = f"SELECT {names}, $1::text, $11::uuid = ANY($12::uuid[]), $13::float8"
    values = [*map(str, range(1, 11)), UUID(int=1), [UUID(int=1)], None]
    async with kind(dsn(room)) as caller:
        (row,) = await in_transaction_of(caller.connection, sql, values)
        await caller.rollback()
    assert row == (*map(str, range(1, 11)), "1", True, None)


async def test_a_statement_without_rows_gives_none(room: Room, kind: Kind) -> None:
    async with kind(dsn(room)) as caller:
        insert = "INSERT INTO own VALUES ($1::text)"
        assert await in_transaction_of(caller.connection, insert, ["Ada"]) == []
        await caller.commit()
    assert own(room) == [("Ada",)]


async def test_many_statements_and_those_of_the_owner_do_not_disturb_each_other(
    room: Room, kind: Kind
) -> None:
    async with kind(dsn(room)) as caller:
        for number in range(12):  # psycopg prepares a statement at its sixth
            await in_transaction_of(caller.connection, INSERT, one(str(number)))
            await caller.run("INSERT INTO own VALUES ('Ada')")
        await caller.commit()
    assert stored(room) == [(str(number),) for number in range(12)]
    assert own(room) == [("Ada",)] * 12


@pytest.mark.concurrent
async def test_who_waits_for_a_lock_leaves_the_loop_free_and_stores_nothing_when_cancelled(
    room: Room, kind: Kind
) -> None:
    with psycopg.connect(dsn(room)) as other:
        other.execute("LOCK TABLE stored")
        async with kind(dsn(room)) as caller:
            storing = asyncio.create_task(in_transaction_of(caller.connection, INSERT, one()))
            await asyncio.to_thread(until, room, "SELECT 1 FROM pg_locks WHERE NOT granted")
            assert not storing.done()
            storing.cancel()
            await asyncio.wait((storing,), timeout=0.2)
            other.rollback()
            with pytest.raises(asyncio.CancelledError):
                await storing
            with suppress(Exception):  # some libraries end the connection
                await caller.rollback()
    await asyncio.to_thread(until, room, f"SELECT 1 {OTHERS}", empty=True)
    assert stored(room) == []


async def test_a_lost_connection_is_told_and_nothing_is_stored(room: Room, kind: Kind) -> None:
    async with kind(dsn(room)) as caller:
        await in_transaction_of(caller.connection, INSERT, one())
        look(room, f"SELECT pg_terminate_backend(pid) {OTHERS}")
        until(room, f"SELECT 1 {OTHERS}", empty=True)
        with pytest.raises(DriverUnavailable, match="can no longer commit"):
            await in_transaction_of(caller.connection, INSERT, one())
        with suppress(Exception):  # each library has an error of its own for this
            await caller.commit()
    assert stored(room) == []
