"""What goes wrong in a caller's transaction is told in the words of the contract."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from asynctasq.errors import (
    BackendRefused,
    DriverClosed,
    DriverError,
    DriverUnavailable,
    InvalidMessage,
    OutcomeUnknown,
)
from asynctasq_drivers.postgres._callers import in_transaction_of
from asynctasq_drivers.postgres._callers_errors import translated_in
from tools.backends import Room

from .callers import INSERT, Kind, chosen, database, dsn, look, until

pytestmark = pytest.mark.asyncio

FEW = chosen(
    "asyncpg",
    "psycopg",
    "blocking-psycopg",
    "async-session-asyncpg",
    "async-connection-psycopg",
    "session-psycopg",
    "session-psycopg2",
)
every_kind = pytest.mark.parametrize("kind", FEW)


@pytest.fixture(scope="module")
def server() -> Iterator[Room]:
    with database() as room:
        look(room, "CREATE ROLE weak LOGIN")
        yield room


@pytest.fixture
def room(server: Room) -> Room:
    look(server, "TRUNCATE stored, own")
    return server


def arguments(**columns: Any) -> list[Any]:
    one = {"queue": "mail", "id": uuid4(), "due": 0.5, "body": b"secret", "attempt": 1, **columns}
    return [*([value] for value in one.values()), 1]


async def error_of(connection: Any, sql: str = INSERT, values: Any = None) -> DriverError:
    with pytest.raises(DriverError) as told:
        await in_transaction_of(connection, sql, arguments() if values is None else values)
    assert told.value.__cause__ is not None
    assert b"secret".hex() not in str(told.value)
    assert "secret" not in str(told.value)
    return told.value


STATEMENTS: dict[str, tuple[str, type[DriverError], str]] = {
    "no-table": ("INSERT INTO nowhere VALUES ($1::text)", BackendRefused, "asynctasq migrate"),
    "no-schema": ("INSERT INTO no.where VALUES ($1::text)", BackendRefused, "asynctasq migrate"),
    "number": ("SELECT $1::text::int4", InvalidMessage, "cannot store"),
    "null": ("INSERT INTO narrow SELECT NULL FROM (SELECT $1::text) AS x", BackendRefused, "null"),
}


@every_kind
@pytest.mark.parametrize(("sql", "expected", "words"), STATEMENTS.values(), ids=STATEMENTS.keys())
async def test_what_the_server_refuses_is_told_with_what_to_do(
    room: Room, kind: Kind, sql: str, expected: type[DriverError], words: str
) -> None:
    look(room, "CREATE TABLE IF NOT EXISTS narrow (name text NOT NULL)")
    async with kind(dsn(room)) as caller:
        error = await error_of(caller.connection, sql, ["x"])
        await caller.rollback()
    assert type(error) is expected
    assert words in str(error)
    assert "\n" not in str(error)


@every_kind
async def test_a_missing_right_is_named(room: Room, kind: Kind) -> None:
    async with kind(dsn(room, "weak")) as caller:
        error = await error_of(caller.connection)
        await caller.rollback()
    assert type(error) is BackendRefused
    assert "permission denied for table stored" in str(error)
    assert "grant" in str(error)


@every_kind
@pytest.mark.parametrize(
    "wrong",
    [{"queue": "a\0b"}, {"attempt": 2**40}, {"id": "no uuid"}, {"queue": "\ud800"}],
    ids=["nul", "number", "uuid", "surrogate"],
)
async def test_a_value_that_cannot_be_stored_is_an_invalid_message(
    room: Room, kind: Kind, wrong: dict[str, Any]
) -> None:
    async with kind(dsn(room)) as caller:
        error = await error_of(caller.connection, values=arguments(**wrong))
        await caller.rollback()
    assert type(error) is InvalidMessage
    assert look(room, "SELECT queue FROM stored") == []


@every_kind
async def test_a_transaction_that_may_only_read_is_told_of_the_standby(
    room: Room, kind: Kind
) -> None:
    async with kind(dsn(room)) as caller:
        await caller.run("SET TRANSACTION READ ONLY")
        error = await error_of(caller.connection)
        await caller.rollback()
    assert type(error) is DriverUnavailable
    assert "standby" in str(error)


@every_kind
async def test_a_conflict_asks_for_the_transaction_to_begin_again(room: Room, kind: Kind) -> None:
    look(room, "INSERT INTO own VALUES ('Ada')")
    async with kind(dsn(room)) as caller:
        await caller.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await caller.run("SELECT * FROM own")
        look(room, "UPDATE own SET name = 'Grace'")
        error = await error_of(caller.connection, "UPDATE own SET name = $1::text", ["Mary"])
        await caller.rollback()
    assert type(error) is DriverUnavailable
    assert "begin it again" in str(error)


@pytest.mark.concurrent
@every_kind
async def test_a_deadlock_asks_for_the_transaction_to_begin_again(room: Room, kind: Kind) -> None:
    with psycopg.connect(dsn(room)) as other:
        other.execute("SET LOCAL deadlock_timeout = '60s'")
        async with kind(dsn(room)) as caller:
            await caller.run("SET LOCAL deadlock_timeout = '10ms'")
            await caller.run("LOCK TABLE own")
            other.execute("LOCK TABLE stored")
            crossing = asyncio.create_task(asyncio.to_thread(other.execute, "LOCK TABLE own"))
            await asyncio.to_thread(until, room, "SELECT 1 FROM pg_locks WHERE NOT granted")
            error = await error_of(caller.connection)
            await caller.rollback()
        await crossing
        other.rollback()
    assert type(error) is DriverUnavailable
    assert "begin it again" in str(error)


@every_kind
@pytest.mark.parametrize("limit", ["lock_timeout", "statement_timeout"])
async def test_a_limit_of_the_connection_that_ends_the_statement_is_told(
    room: Room, kind: Kind, limit: str
) -> None:
    with psycopg.connect(dsn(room)) as other:
        other.execute("LOCK TABLE stored")
        async with kind(dsn(room)) as caller:
            await caller.run(f"SET LOCAL {limit} = '20ms'")
            error = await error_of(caller.connection)
            await caller.rollback()
    assert type(error) is DriverUnavailable
    assert "roll back" in str(error)


@pytest.mark.parametrize("kind", chosen("asyncpg-impatient"))
async def test_asyncpgs_own_time_limit_leaves_it_open_what_was_done(room: Room, kind: Kind) -> None:
    with psycopg.connect(dsn(room)) as other:
        other.execute("LOCK TABLE stored")
        async with kind(dsn(room)) as caller:
            error = await error_of(caller.connection)
    assert type(error) is OutcomeUnknown
    assert "roll the transaction back" in str(error)


@every_kind
async def test_after_an_error_a_savepoint_and_the_connection_go_on(room: Room, kind: Kind) -> None:
    async with kind(dsn(room)) as caller:
        await caller.run("SAVEPOINT here")
        await error_of(caller.connection, "INSERT INTO nowhere VALUES ($1::text)", ["x"])
        await caller.run("ROLLBACK TO SAVEPOINT here")
        await in_transaction_of(caller.connection, INSERT, arguments())
        await caller.commit()
    assert look(room, "SELECT queue FROM stored") == [("mail",)]


async def test_two_statements_at_once_on_asyncpg_are_told_and_one_is_done(room: Room) -> None:
    (kind,) = (param.values[0] for param in chosen("asyncpg"))
    async with kind(dsn(room)) as caller:
        answers = await asyncio.gather(
            *(in_transaction_of(caller.connection, INSERT, arguments()) for _ in range(2)),
            return_exceptions=True,
        )
        await caller.commit()
    assert len([answer for answer in answers if isinstance(answer, list)]) == 1
    (error,) = (answer for answer in answers if isinstance(answer, BaseException))
    assert type(error) is BackendRefused
    assert "another operation is in progress" in str(error)


async def test_errors_of_the_contract_pass_as_they_are() -> None:
    error = DriverClosed("closed")
    assert translated_in(error) is error
