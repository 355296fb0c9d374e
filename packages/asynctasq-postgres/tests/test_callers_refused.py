"""A connection on which a statement would not be the caller's to commit is refused."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from typing import Any
from uuid import uuid4

import asyncpg
import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_scoped_session,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from asynctasq.errors import Unsupported
from asynctasq_drivers.postgres._callers import in_transaction_of
from tools.backends import Room

from .callers import INSERT, KINDS, Kind, Own, alchemy_url, database, dsn, look

pytestmark = pytest.mark.asyncio

ARGUMENTS: list[Any] = [["mail"], [uuid4()], [0.5], [b"body"], [1], 1]


@pytest.fixture(scope="module")
def server() -> Iterator[Room]:
    with database() as room:
        yield room


@pytest.fixture
def room(server: Room) -> Room:
    look(server, "TRUNCATE stored, own")
    return server


@pytest_asyncio.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def refused(room: Room, connection: Any, *words: str) -> Unsupported:
    """Assert that it is, with these words, and that nobody sees anything of it."""
    with pytest.raises(Unsupported) as told:
        await in_transaction_of(connection, INSERT, ARGUMENTS)
    assert [word for word in words if word not in str(told.value)] == [], told.value
    assert look(room, "SELECT queue FROM stored") == []
    return told.value


def _psycopg2(url: str) -> Any:
    return pytest.importorskip("psycopg2").connect(url)


def _psycopg_pool(url: str) -> Any:
    return pytest.importorskip("psycopg_pool").AsyncConnectionPool(url, open=False)


OTHERS: dict[str, tuple[Callable[[str], Any], str, str]] = {
    "none": (lambda _: None, "NoneType", "give the connection"),
    "dsn": (lambda url: f"{url}?password=secret", "builtins.str", "give the connection"),
    "sqlite": (lambda _: sqlite3.connect(":memory:"), "sqlite3.Connection", "give the connection"),
    "asyncpg-pool": (asyncpg.create_pool, "asyncpg.pool.Pool", "pool.acquire()"),
    "psycopg-pool": (_psycopg_pool, "AsyncConnectionPool", "pool.connection()"),
    "psycopg-cursor": (lambda url: psycopg.connect(url).cursor(), "Cursor", "give the connection"),
    "psycopg2": (_psycopg2, "psycopg2.extensions.connection", "through SQLAlchemy"),
    "engine": (lambda url: create_engine(_alchemy(url)), "Engine", "with engine.begin() as conn"),
    "async-engine": (
        lambda url: create_async_engine(_alchemy(url)),
        "AsyncEngine",
        "async with engine.begin()",
    ),
    "sessionmaker": (lambda _: sessionmaker(), "sessionmaker", "with maker.begin()"),
    "async-sessionmaker": (lambda _: async_sessionmaker(), "async_sessionmaker", "maker.begin()"),
    "scoped": (lambda _: scoped_session(sessionmaker()), "scoped_session", "`scoped()`"),
    "async-scoped": (
        lambda _: async_scoped_session(async_sessionmaker(), asyncio.current_task),
        "async_scoped_session",
        "`scoped()`",
    ),
}


def _alchemy(url: str, driver: str = "psycopg") -> str:
    return alchemy_url(url, driver)


@pytest.mark.parametrize(("make", "name", "mend"), OTHERS.values(), ids=OTHERS.keys())
async def test_what_is_no_connection_is_named_with_what_is_accepted_and_how_to_mend_it(
    room: Room, make: Callable[[str], Any], name: str, mend: str
) -> None:
    given = make(dsn(room))
    with pytest.raises(Unsupported) as told:
        await in_transaction_of(given, INSERT, ARGUMENTS)
    if isinstance(given, psycopg.Cursor | sqlite3.Connection):
        getattr(given, "connection", given).close()
    for word in (name, mend, "asyncpg connection", "psycopg 3", "AsyncSession"):
        assert word in str(told.value)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_transaction_that_has_failed_is_to_be_rolled_back(
    room: Room, kind: Kind, request: pytest.FixtureRequest
) -> None:
    async with kind(dsn(room)) as caller:
        with suppress(Exception):  # each library has an error of its own
            await caller.run("SELECT 1/0")
        error = await refused(room, caller.connection, "failed already", "rolled back")
    # Only asyncpg does not tell before it is asked for something.
    assert (error.__cause__ is None) is ("asyncpg" not in request.node.name)


class TestAsyncpg:
    async def test_no_transaction(self, room: Room, stack: AsyncExitStack) -> None:
        connection = await asyncpg.connect(dsn(room))
        stack.push_async_callback(connection.close)
        await refused(room, connection, "asyncpg Connection", "async with conn.transaction()")
        async with connection.transaction():
            pass
        await refused(room, connection, "no transaction is open")

    async def test_a_transaction_begun_by_hand_is_one(
        self, room: Room, stack: AsyncExitStack
    ) -> None:
        connection = await asyncpg.connect(dsn(room))
        stack.push_async_callback(connection.close)
        await connection.execute("BEGIN")
        assert len(await in_transaction_of(connection, INSERT, ARGUMENTS)) == 1
        await connection.execute("COMMIT")
        assert look(room, "SELECT queue FROM stored") == [("mail",)]

    async def test_closed(self, room: Room) -> None:
        connection = await asyncpg.connect(dsn(room))
        await connection.close()
        await refused(room, connection, "closed")

    async def test_given_back_to_its_pool(self, room: Room, stack: AsyncExitStack) -> None:
        pool = await stack.enter_async_context(asyncpg.create_pool(dsn(room), min_size=1))
        async with pool.acquire() as connection:
            pass
        await refused(room, connection, "given back to its pool")

    @pytest.mark.parametrize("begun", [False, True])
    async def test_another_loop(self, room: Room, stack: AsyncExitStack, begun: bool) -> None:
        connection = await asyncpg.connect(dsn(room))
        stack.push_async_callback(connection.close)
        if begun:
            await connection.execute("BEGIN")
        await asyncio.to_thread(
            asyncio.run, refused(room, connection, "another event loop", "with `await`")
        )

    async def test_another_loop_through_a_session(self, room: Room, stack: AsyncExitStack) -> None:
        engine = create_async_engine(_alchemy(dsn(room), "asyncpg"))
        stack.push_async_callback(engine.dispose)
        session = await stack.enter_async_context(AsyncSession(engine))
        await session.connection()
        await asyncio.to_thread(asyncio.run, refused(room, session, "another event loop"))


class TestPsycopg:
    async def test_autocommit_without_a_transaction(
        self, room: Room, stack: AsyncExitStack
    ) -> None:
        connection = await psycopg.AsyncConnection.connect(dsn(room), autocommit=True)
        stack.push_async_callback(connection.close)
        await refused(room, connection, "psycopg AsyncConnection", "conn.transaction()")
        async with connection.transaction(force_rollback=True):
            assert len(await in_transaction_of(connection, INSERT, ARGUMENTS)) == 1
        await refused(room, connection, "autocommit")

    async def test_autocommit_without_a_transaction_blocking(self, room: Room) -> None:
        with psycopg.connect(dsn(room), autocommit=True) as connection:
            await refused(room, connection, "psycopg Connection", "conn.transaction()")
            with connection.transaction(force_rollback=True):
                assert len(await in_transaction_of(connection, INSERT, ARGUMENTS)) == 1
            await refused(room, connection, "autocommit")

    async def test_an_older_psycopg(self, room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(psycopg, "RawCursor")
        with psycopg.connect(dsn(room)) as connection:
            await refused(room, connection, "expected 3.2 or newer")

    async def test_a_pipeline(self, room: Room) -> None:
        with psycopg.connect(dsn(room)) as connection:
            with connection.pipeline():
                connection.execute("INSERT INTO own VALUES ('Ada')")
                await refused(room, connection, "pipeline mode")
            assert len(await in_transaction_of(connection, INSERT, ARGUMENTS)) == 1
        assert look(room, "SELECT name FROM own") == [("Ada",)]

    async def test_closed(self, room: Room) -> None:
        connection = await psycopg.AsyncConnection.connect(dsn(room))
        await connection.close()
        await refused(room, connection, "closed")
        blocking = psycopg.connect(dsn(room))
        blocking.close()
        await refused(room, blocking, "closed")


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
class TestAsynchronousAlchemy:
    @pytest_asyncio.fixture
    async def engine(self, room: Room, driver: str) -> AsyncIterator[Any]:
        engine = create_async_engine(_alchemy(dsn(room), driver))
        yield engine
        await engine.dispose()

    async def test_autocommit_of_the_connection(self, room: Room, engine: Any) -> None:
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await refused(room, connection, "AUTOCOMMIT")

    async def test_autocommit_of_the_engine(self, room: Room, engine: Any) -> None:
        async with AsyncSession(engine.execution_options(isolation_level="AUTOCOMMIT")) as session:
            await refused(room, session, "AUTOCOMMIT")

    async def test_autocommit_from_the_start(self, room: Room, driver: str) -> None:
        engine = create_async_engine(_alchemy(dsn(room), driver), isolation_level="AUTOCOMMIT")
        async with AsyncSession(engine) as session:
            await refused(room, session, "AUTOCOMMIT")
        await engine.dispose()

    async def test_closed(self, room: Room, engine: Any) -> None:
        async with engine.connect() as connection:
            pass
        await refused(room, connection, "closed")

    async def test_not_begun_at_all(self, room: Room, engine: Any) -> None:
        await refused(room, engine.connect(), "AsyncConnection")

    async def test_what_it_stands_on(self, room: Room, engine: Any) -> None:
        async with AsyncSession(engine) as session:
            await refused(room, session.sync_session, "give the AsyncSession")
        async with engine.connect() as connection:
            await refused(room, connection.sync_connection, "AsyncConnection")


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
class TestBlockingAlchemy:
    @pytest.fixture
    def engine(self, room: Room, driver: str) -> Iterator[Any]:
        pytest.importorskip(driver)
        engine = create_engine(_alchemy(dsn(room), driver))
        yield engine
        engine.dispose()

    async def test_autocommit_of_the_connection(self, room: Room, engine: Any) -> None:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            await refused(room, connection, "AUTOCOMMIT")

    async def test_autocommit_of_the_engine(self, room: Room, engine: Any) -> None:
        with Session(engine.execution_options(isolation_level="AUTOCOMMIT")) as session:
            await refused(room, session, "AUTOCOMMIT")

    async def test_closed(self, room: Room, engine: Any) -> None:
        with engine.connect() as connection:
            pass
        await refused(room, connection, "closed")

    async def test_a_session_that_was_closed_for_good(self, room: Room, engine: Any) -> None:
        session = Session(engine, close_resets_only=False)
        session.close()
        await refused(room, session, "closed")

    async def test_a_session_that_begins_only_when_told(self, room: Room, engine: Any) -> None:
        with Session(engine, autobegin=False) as session:
            await refused(room, session, "begin")
            with session.begin():
                assert len(await in_transaction_of(session, INSERT, ARGUMENTS)) == 1
                session.rollback()

    async def test_a_session_whose_flush_has_failed(self, room: Room, engine: Any) -> None:
        with Session(engine) as session:
            session.add(Own(name="no\0text"))
            with suppress(Exception):  # each library has an error of its own
                session.flush()
            error = await refused(room, session, "failed already")
        assert error.__cause__ is None


async def test_another_backend(room: Room) -> None:
    engine = create_engine("sqlite://")
    with Session(engine) as session, engine.connect() as connection:
        await refused(room, session, "sqlite", "expected one to the PostgreSQL database")
        await refused(room, connection, "sqlite")
    engine.dispose()


async def test_a_session_bound_to_nothing(room: Room) -> None:
    with Session() as session:
        await refused(room, session, "session")


async def test_a_session_bound_to_a_connection_is_part_of_its_transaction(room: Room) -> None:
    engine = create_engine(_alchemy(dsn(room)))
    with engine.connect() as connection, connection.begin() as outer:
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            assert len(await in_transaction_of(session, INSERT, ARGUMENTS)) == 1
            session.commit()
        outer.rollback()
    engine.dispose()
    assert look(room, "SELECT queue FROM stored") == []
