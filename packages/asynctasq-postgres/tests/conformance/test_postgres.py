"""The whole public conformance suite: on one server, and on one behind PgBouncer."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import psycopg
import pytest

from asynctasq.driver import Secret
from asynctasq.testing import DriverSuite, NewDriver
from asynctasq_drivers.postgres import PostgresDriver, PostgresOptions
from tools.backends import Room
from tools.backends.recipes import RECIPES, find

SCHEMA = 'The "suite"; -- %s'
TABLES = (f"{SCHEMA}.Tasks {{dead}} ü", f"{SCHEMA}.Dead $1 {{queue}}")
"""Names that must be quoted, whatever is done with them."""


def _version(name: str) -> str:
    """Of the program that is installed here, as it tells."""
    program = find(name, RECIPES[name].places)
    assert program, f"install {name}"
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return next(word for word in told.stdout.split() if word[0].isdigit())


class Transaction:
    """The transaction that a caller's connection is in; once it has ended, the next one."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def begin(self) -> None:
        self._begun = self.connection.transaction()
        await self._begun.start()

    async def commit(self) -> None:
        await self._begun.commit()
        await self.begin()

    async def rollback(self) -> None:
        await self._begun.rollback()
        await self.begin()


class OnPostgres(DriverSuite):
    driver_class = PostgresDriver
    backend = f"PostgreSQL {_version('postgres')}"
    lease = 0.5
    quiet = 0.05
    room: Room
    url: str
    pgbouncer = False

    @pytest.fixture
    def new_driver(self) -> NewDriver:
        return self._making(*TABLES)

    def _making(self, queue: str, dead: str) -> NewDriver:
        """Drivers with these tables, in schemas that are made here."""
        for schema in {table.partition(".")[0] for table in (queue, dead)}:
            with psycopg.connect(self.room.url, autocommit=True) as connection:
                quoted = '"' + schema.replace('"', '""') + '"'
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted}".encode())
        options = PostgresOptions(
            postgres_dsn=Secret(self.url),
            postgres_queue_table=queue,
            postgres_dead_letter_table=dead,
            postgres_pgbouncer=self.pgbouncer,
        )
        return lambda context: PostgresDriver(options, context)

    def empty_schema(self) -> NewDriver:
        schema = f"empty {uuid4().hex}"
        return self._making(f"{schema}.task_queue", f"{schema}.dead_letter_queue")

    async def restart_backend(self) -> None:
        await asyncio.to_thread(self.room.stop)
        await asyncio.to_thread(self.room.start)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        connection = await asyncpg.connect(self.url, statement_cache_size=0)
        mine = Transaction(connection)
        try:
            await mine.begin()
            yield mine
        finally:
            await connection.close()


class TestPostgres(OnPostgres):
    between: Any

    @pytest.fixture(autouse=True)
    def _server(self, postgres_server: Room, postgres_proxy: Any) -> None:
        self.room, self.between, self.url = postgres_server, postgres_proxy, postgres_proxy.url

    @asynccontextmanager
    async def cut_backend(self) -> AsyncGenerator[None]:
        self.between.cut()
        try:
            yield
        finally:
            self.between.heal()


@pytest.mark.once
class TestThroughPgBouncer(OnPostgres):
    backend = f"PostgreSQL {_version('postgres')}, PgBouncer {_version('pgbouncer')}"
    pgbouncer = True
    bouncer: Room

    @pytest.fixture(autouse=True)
    def _bouncer(self, postgres_server: Room, postgres_bouncer: Room) -> None:
        self.room, self.bouncer, self.url = postgres_server, postgres_bouncer, postgres_bouncer.url

    async def restart_backend(self) -> None:
        await asyncio.to_thread(self.bouncer.kill)
        await super().restart_backend()
        await asyncio.to_thread(self.bouncer.start)

    @asynccontextmanager
    async def cut_backend(self) -> AsyncGenerator[None]:
        await asyncio.to_thread(self.bouncer.kill)
        try:
            yield
        finally:
            await asyncio.to_thread(self.bouncer.start)
