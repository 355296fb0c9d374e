"""A caller's connection is left as it was, and does for a statement what it does for its owner."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import asyncpg
import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import create_engine, event, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from asynctasq_drivers.postgres._callers import in_transaction_of
from tools.backends import Room

from .callers import INSERT, Own, alchemy_url, database, dsn, look

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


SETTINGS = "SELECT name || '=' || setting FROM pg_settings ORDER BY name"


async def test_asyncpg_keeps_its_settings_its_codecs_and_its_transaction(room: Room) -> None:
    connection = await asyncpg.connect(dsn(room))
    await connection.set_type_codec(
        "uuid", schema="pg_catalog", encoder=str, decoder=lambda text: f"own {text}"
    )
    async with connection.transaction():
        before = await connection.fetch(SETTINGS)
        await in_transaction_of(connection, INSERT, ARGUMENTS)
        assert await connection.fetch(SETTINGS) == before
        assert (await connection.fetchval("SELECT id FROM stored")).startswith("own ")
    assert not connection.is_in_transaction()
    await connection.close()


async def test_psycopg_keeps_its_settings(room: Room) -> None:
    connection = await psycopg.AsyncConnection.connect(
        dsn(room), row_factory=dict_row, cursor_factory=psycopg.AsyncClientCursor
    )

    async def settings() -> tuple[Any, ...]:
        told = await (await connection.execute(SETTINGS)).fetchall()
        own = connection.autocommit, connection.isolation_level, connection.prepare_threshold
        return told, own, connection.row_factory, connection.cursor_factory

    before = await settings()
    await in_transaction_of(connection, INSERT, ARGUMENTS)
    assert await settings() == before
    await connection.close()


async def test_pending_objects_are_flushed_by_the_commit_and_not_before(room: Room) -> None:
    engine = create_engine(alchemy_url(dsn(room), "psycopg"))
    with Session(engine) as session:
        session.add(ada := Own(name="Ada"))
        await in_transaction_of(session, INSERT, ARGUMENTS)
        assert ada in session.new
        session.commit()
    engine.dispose()
    assert look(room, "SELECT name, queue FROM own, stored") == [("Ada", "mail")]


async def test_pending_objects_of_an_asynchronous_session_too(room: Room) -> None:
    engine = create_async_engine(alchemy_url(dsn(room), "asyncpg"))
    async with AsyncSession(engine) as session, session.begin():
        session.add(ada := Own(name="Ada"))
        await in_transaction_of(session, INSERT, ARGUMENTS)
        assert ada in session.new
        assert (await session.scalars(select(Own))).all() == [ada]
    await engine.dispose()
    assert look(room, "SELECT name, queue FROM own, stored") == [("Ada", "mail")]


async def test_a_nested_transaction_of_a_session_takes_back_its_own(room: Room) -> None:
    engine = create_async_engine(alchemy_url(dsn(room), "asyncpg"))
    async with AsyncSession(engine) as session, session.begin():
        await in_transaction_of(session, INSERT, ARGUMENTS)
        nested = await session.begin_nested()
        await in_transaction_of(session, INSERT, ARGUMENTS)
        await nested.rollback()
    await engine.dispose()
    assert look(room, "SELECT queue FROM stored") == [("mail",)]


async def test_sqlalchemys_events_and_its_log_show_the_statement(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    engine = create_engine(alchemy_url(dsn(room), "psycopg"))
    seen: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *words: seen.append(words[2]))
    with caplog.at_level(logging.INFO, "sqlalchemy.engine"), engine.begin() as connection:
        for _ in range(2):
            await in_transaction_of(connection, INSERT, ARGUMENTS)
    engine.dispose()
    assert [statement[:18] for statement in seen] == ["INSERT INTO stored"] * 2
    assert "[generated in" in caplog.text
    assert "[cached since" in caplog.text, "SQLAlchemy compiled the same statement twice"


async def test_a_blocking_session_of_another_thread_is_fine(room: Room) -> None:
    engine = create_engine(alchemy_url(dsn(room), "psycopg"))

    def request() -> None:
        with Session(engine) as session, session.begin():
            session.add(Own(name="Ada"))
            storing = in_transaction_of(session, INSERT, ARGUMENTS)
            asyncio.run_coroutine_threadsafe(storing, loop).result()

    loop = asyncio.get_running_loop()
    await asyncio.to_thread(request)
    engine.dispose()
    assert look(room, "SELECT name, queue FROM own, stored") == [("Ada", "mail")]
