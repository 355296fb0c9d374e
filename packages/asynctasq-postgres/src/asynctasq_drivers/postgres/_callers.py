"""One statement on a connection that belongs to the caller, in the transaction that it is in.

It leaves the connection as it was: what is set on it is neither used nor changed. It is told what
it is by its class, and nothing is imported for that: who has not imported a client library has no
connection of it.

A connection that blocks has its statement run in a thread, so that the loop goes on. Neither a
session of SQLAlchemy nor a connection of psycopg is bound to the thread that made it; what they do
not bear is two users at a time, and the caller waits meanwhile.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

from asynctasq.errors import Unsupported
from asynctasq_drivers.postgres import _sqlalchemy
from asynctasq_drivers.postgres._callers_errors import translated_in
from asynctasq_drivers.postgres._transaction_state import (
    check_loop,
    check_not_failed,
    closed,
    name_of,
    not_begun,
    status_of,
)

Rows: TypeAlias = list[tuple[Any, ...]]
T = TypeVar("T")

WANTED: Final = (
    "an asyncpg connection, a psycopg 3 AsyncConnection or Connection, or an SQLAlchemy "
    "AsyncSession, AsyncConnection, Session or Connection"
)


async def in_transaction_of(connection: Any, sql: str, arguments: Sequence[Any]) -> Rows:
    """Run a statement in the caller's transaction, which is begun where its library does that.

    ``sql`` has placeholders ``$1``, each with a cast. Values in the rows are what that connection
    makes of them: ask for text, numbers, booleans or bytea.

    Raises `Unsupported` for a connection that cannot be used, or whose transaction has failed;
    else what `translated_in` makes of it. *Cancelled*: the connection is in the hands of its own
    library, and its transaction may hold the statement: roll it back.
    """
    run = _way_of(connection)
    try:
        return await run(connection, _with_text(sql), [_plain(value) for value in arguments])
    except Exception as error:
        translated = translated_in(error)
        if translated is error:
            raise
        raise translated from error


async def _on_asyncpg(connection: Any, sql: str, arguments: list[Any]) -> Rows:
    check_loop(connection)
    try:
        ended = connection.is_closed()
    except Exception as error:  # of a pool's connection that was given back
        raise closed(connection) from error
    if ended:
        raise closed(connection)
    if not connection.is_in_transaction():
        raise not_begun(connection, "use it in `async with conn.transaction():`")
    record = sys.modules["asyncpg"].Record
    return [tuple(row) for row in await connection.fetch(sql, *arguments, record_class=record)]


async def _on_psycopg(connection: Any, sql: str, arguments: list[Any]) -> Rows:
    _check_psycopg(connection)
    async with _cursor("AsyncRawCursor", connection) as cursor:
        await cursor.execute(sql, arguments)
        return await cursor.fetchall() if cursor.description is not None else []


def _on_blocking_psycopg(connection: Any, sql: str, arguments: list[Any]) -> Rows:
    _check_psycopg(connection)
    with _cursor("RawCursor", connection) as cursor:
        cursor.execute(sql, arguments)
        return cursor.fetchall() if cursor.description is not None else []


def _check_psycopg(connection: Any) -> None:
    if connection.closed:
        raise closed(connection)
    if connection.pgconn.pipeline_status:  # its answers, and errors, are those of the owner
        raise Unsupported(f"this {name_of(connection)} is in pipeline mode: dispatch after it")
    check_not_failed(connection)
    if connection.autocommit and (status := status_of(connection)) != "INTRANS":
        busy = " and busy, so that nobody knows" if status == "ACTIVE" else ""
        raise not_begun(
            connection, f"it is in autocommit mode{busy}: use it in `conn.transaction()`"
        )


def _cursor(name: str, connection: Any) -> Any:
    # Not the connection's own: that one may take other placeholders, and make other rows.
    psycopg = sys.modules["psycopg"]
    made = getattr(psycopg, name, None)
    if made is None:
        raise Unsupported(f"psycopg {psycopg.__version__}: expected 3.2 or newer")
    return made(connection, row_factory=sys.modules["psycopg.rows"].tuple_row)


async def _awaited(function: Any, connection: Any, sql: str, arguments: list[Any]) -> Rows:
    rows: Rows = await connection.run_sync(function, sql, arguments, awaits=True)
    return rows


async def _in_thread(function: Any, connection: Any, sql: str, arguments: list[Any]) -> Rows:
    """Who is cancelled waits all the same: else the caller and the thread would both use it."""
    running: asyncio.Task[Rows] = asyncio.create_task(
        asyncio.to_thread(function, connection, sql, arguments)
    )
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait((running,))
        running.exception()
        raise


_Way: TypeAlias = Callable[[Any, str, list[Any]], Awaitable[Rows]]
_WAYS: Final[Sequence[tuple[str, str, _Way]]] = (
    ("asyncpg", "Connection", _on_asyncpg),
    ("psycopg", "AsyncConnection", _on_psycopg),
    ("psycopg", "Connection", partial(_in_thread, _on_blocking_psycopg)),
    ("sqlalchemy.ext.asyncio", "AsyncSession", partial(_awaited, _sqlalchemy.on_session)),
    ("sqlalchemy.ext.asyncio", "AsyncConnection", partial(_awaited, _sqlalchemy.on_connection)),
    ("sqlalchemy.orm", "Session", partial(_in_thread, _sqlalchemy.on_session)),
    ("sqlalchemy.engine", "Connection", partial(_in_thread, _sqlalchemy.on_connection)),
)

_MENDS: Final = {
    "Pool": "take one of its connections: `async with pool.acquire() as conn:`",
    "AsyncConnectionPool": "take one of its connections: `async with pool.connection() as conn:`",
    "ConnectionPool": "take one of its connections: `with pool.connection() as conn:`",
    "AsyncEngine": "begin a transaction: `async with engine.begin() as conn:`",
    "Engine": "begin a transaction: `with engine.begin() as conn:`",
    "async_sessionmaker": "make a session: `async with maker.begin() as session:`",
    "sessionmaker": "make a session: `with maker.begin() as session:`",
    "async_scoped_session": "call it for the session of this task: `scoped()`",
    "scoped_session": "call it for the session of this thread: `scoped()`",
    "connection": "a psycopg 2 connection can only be used through SQLAlchemy",
}
"""By the name of the class that was given."""


def _way_of(connection: object) -> _Way:
    for module, name, way in _WAYS:
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(connection, kind):
            return way
    given = type(connection)
    mend = _MENDS.get(given.__name__, "give the connection on which the transaction was begun")
    raise Unsupported(
        f"connection of type {given.__module__}.{given.__qualname__}: "
        f"the postgres driver takes {WANTED}; {mend}"
    )


_UUID: Final = re.compile(r"(\$\d+)::uuid(\[\])?")


@lru_cache(maxsize=64)
def _with_text(sql: str) -> str:
    """UUIDs travel as text: what a connection does with the type itself is its owner's choice."""
    return _UUID.sub(r"\1::text\2::uuid\2", sql)


def _plain(value: Any) -> Any:
    """What every library sends as it is meant: psycopg takes no list of two types."""
    if isinstance(value, list):
        return _plain_list(value)  # pyright: ignore[reportUnknownArgumentType]
    return str(value) if isinstance(value, UUID) else value


def _plain_list(values: list[Any]) -> list[Any]:
    kinds = set(map(type, values))
    if float in kinds and int in kinds:
        return [None if value is None else float(value) for value in values]
    return [str(value) if isinstance(value, UUID) else value for value in values]
