"""Callers with connections of every kind, each in a transaction of its own."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg
import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tools.backends import Room, private

INSERT = (
    "INSERT INTO stored (queue, id, due, body, attempt, total) "
    "SELECT queue, id, due, body, attempt, $6::bigint FROM "
    "unnest($1::text[], $2::uuid[], $3::float8[], $4::bytea[], $5::int4[]) "
    "AS given (queue, id, due, body, attempt) RETURNING queue, id::text, body, attempt"
)
OTHERS = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"


class Base(DeclarativeBase):
    """Of the application's tables."""


class Own(Base):
    """One of them."""

    __tablename__ = "own"
    name: Mapped[str] = mapped_column(primary_key=True)


@dataclass
class Caller:
    """Somebody's connection, and what its owner does with it."""

    connection: Any
    run: Callable[[str], Awaitable[Any]]
    commit: Callable[[], Awaitable[Any]]
    rollback: Callable[[], Awaitable[Any]]


Kind: TypeAlias = Callable[[str], AbstractAsyncContextManager[Caller]]


@contextmanager
def database() -> Generator[Room]:
    """A server of one's own, with a table to store into."""
    with private("postgres") as room:
        look(
            room,
            "CREATE TABLE stored (number bigint GENERATED ALWAYS AS IDENTITY, queue text, id uuid, "
            "due float8, body bytea, attempt int4, total bigint)",
        )
        look(room, "CREATE TABLE own (name text)")
        yield room


def dsn(room: Room, user: str = "postgres") -> str:
    return f"postgresql://{user}@127.0.0.1:{room.port}/postgres"


def look(room: Room, statement: str) -> list[tuple[Any, ...]]:
    """What somebody else sees, or does."""
    with psycopg.connect(dsn(room), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def until(room: Room, statement: str, *, empty: bool = False) -> None:
    """Look until there are rows, or none. Raises `TimeoutError`."""
    for _ in range(2000):
        if bool(look(room, statement)) is not empty:
            return
    raise TimeoutError(statement)


@asynccontextmanager
async def _asyncpg(url: str, **options: Any) -> AsyncIterator[Caller]:
    connection = await asyncpg.connect(url, **options)
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield Caller(connection, connection.execute, transaction.commit, transaction.rollback)
    finally:
        await connection.close()


@asynccontextmanager
async def _asyncpg_pool(url: str) -> AsyncIterator[Caller]:
    async with asyncpg.create_pool(url, min_size=1) as pool, pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        yield Caller(connection, connection.execute, transaction.commit, transaction.rollback)


@asynccontextmanager
async def _asyncpg_codecs(url: str) -> AsyncIterator[Caller]:
    async with _asyncpg(url) as caller:
        for name in ("uuid", "json", "jsonb"):
            await caller.connection.set_type_codec(
                name, schema="pg_catalog", encoder=_owners, decoder=_owners
            )
        yield caller


def _owners(value: Any) -> str:
    raise AssertionError("this codec is for the values of its owner")


class OwnRecord(asyncpg.Record):  # type: ignore[misc]
    """A row that iterates as its owner wants it."""

    def __iter__(self) -> Iterator[Any]:
        return iter(["mine"])


@asynccontextmanager
async def _psycopg(url: str, **options: Any) -> AsyncIterator[Caller]:
    async with await psycopg.AsyncConnection.connect(url, **options) as connection:
        if connection.autocommit:
            await connection.execute("BEGIN")
        yield _of_psycopg(connection)


def _of_psycopg(connection: psycopg.AsyncConnection[Any]) -> Caller:
    async def run(statement: str) -> None:
        await connection.execute(statement.encode())

    return Caller(connection, run, connection.commit, connection.rollback)


@asynccontextmanager
async def _psycopg_pool(url: str) -> AsyncIterator[Caller]:
    from psycopg_pool import AsyncConnectionPool

    pool = AsyncConnectionPool(url, min_size=1, open=False)
    async with pool, pool.connection() as connection:
        yield _of_psycopg(connection)


@asynccontextmanager
async def _blocking_psycopg(url: str, **options: Any) -> AsyncIterator[Caller]:
    with psycopg.connect(url, **options) as connection:
        if connection.autocommit:
            connection.execute("BEGIN")

        async def run(statement: str) -> None:
            connection.execute(statement.encode())

        yield Caller(connection, run, _later(connection.commit), _later(connection.rollback))


def _later(function: Callable[[], Any]) -> Callable[[], Awaitable[Any]]:
    async def later() -> Any:
        return function()

    return later


_BUFFERED = {"stream_results": False, "yield_per": None}
"""How the owner of a connection that streams says what is no SELECT."""


def alchemy_url(url: str, driver: str) -> str:
    return url.replace("postgresql:", f"postgresql+{driver}:")


@asynccontextmanager
async def _alchemy(
    url: str, driver: str, *, session: bool, **options: Any
) -> AsyncIterator[Caller]:
    engine = create_async_engine(alchemy_url(url, driver), execution_options=options)
    try:
        async with AsyncSession(engine) if session else engine.connect() as connection:

            async def run(statement: str) -> None:
                await connection.execute(text(statement), execution_options=_BUFFERED)

            yield Caller(connection, run, connection.commit, connection.rollback)
    finally:
        await engine.dispose()


@asynccontextmanager
async def _blocking_alchemy(
    url: str, driver: str, *, session: bool, **options: Any
) -> AsyncIterator[Caller]:
    engine = create_engine(alchemy_url(url, driver), execution_options=options)
    try:
        with Session(engine) if session else engine.connect() as connection:

            async def run(statement: str) -> None:
                connection.execute(text(statement), execution_options=_BUFFERED)

            yield Caller(connection, run, _later(connection.commit), _later(connection.rollback))
    finally:
        engine.dispose()


def _kind(make: Callable[..., Any], name: str, needs: str = "psycopg", **options: Any) -> Any:
    missing = importlib.util.find_spec(needs) is None
    marks = [pytest.mark.skipif(missing, reason=f"not installed: {needs}")]
    return pytest.param(lambda url: make(url, **options), id=name, marks=marks)


_STREAMING: dict[str, Any] = {"session": False, "stream_results": True, "yield_per": 5}
KINDS = [
    _kind(_asyncpg, "asyncpg"),
    _kind(_asyncpg, "asyncpg-no-cache", statement_cache_size=0),
    _kind(_asyncpg, "asyncpg-own-records", record_class=OwnRecord),
    _kind(_asyncpg_codecs, "asyncpg-own-codecs"),
    _kind(_asyncpg_pool, "asyncpg-pool"),
    _kind(_psycopg, "psycopg"),
    _kind(_psycopg, "psycopg-dict-rows", row_factory=dict_row),
    _kind(_psycopg, "psycopg-client-cursor", cursor_factory=psycopg.AsyncClientCursor),
    _kind(_psycopg, "psycopg-prepares-all", prepare_threshold=0),
    _kind(_psycopg, "psycopg-prepares-none", prepare_threshold=None),
    _kind(_psycopg, "psycopg-autocommit-begun", autocommit=True),
    _kind(_psycopg_pool, "psycopg-pool", needs="psycopg_pool"),
    _kind(_blocking_psycopg, "blocking-psycopg"),
    _kind(_blocking_psycopg, "blocking-psycopg-dict-rows", row_factory=dict_row),
    _kind(_blocking_psycopg, "blocking-psycopg-autocommit-begun", autocommit=True),
    _kind(_alchemy, "async-session-asyncpg", driver="asyncpg", session=True),
    _kind(_alchemy, "async-session-psycopg", driver="psycopg", session=True),
    _kind(_alchemy, "async-connection-asyncpg", driver="asyncpg", session=False),
    _kind(_alchemy, "async-connection-psycopg", driver="psycopg", session=False),
    _kind(_alchemy, "async-connection-asyncpg-streaming", driver="asyncpg", **_STREAMING),
    _kind(_blocking_alchemy, "session-psycopg", driver="psycopg", session=True),
    _kind(_blocking_alchemy, "session-psycopg2", "psycopg2", driver="psycopg2", session=True),
    _kind(_blocking_alchemy, "connection-psycopg", driver="psycopg", session=False),
    _kind(_blocking_alchemy, "connection-psycopg2", "psycopg2", driver="psycopg2", session=False),
    _kind(_blocking_alchemy, "connection-psycopg-streaming", driver="psycopg", **_STREAMING),
]

IMPATIENT = [_kind(_asyncpg, "asyncpg-impatient", command_timeout=2.0)]


def chosen(*names: str) -> list[Any]:
    """Those of these names."""
    return [kind for kind in [*KINDS, *IMPATIENT] if kind.id in names]
