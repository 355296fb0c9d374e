"""The whole public conformance suite, on a server of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from asynctasq.driver import Secret
from asynctasq.testing import DriverSuite, NewDriver
from asynctasq_drivers.postgres import PostgresDriver, PostgresOptions
from tools.backends import Room, private


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Room]:
    with private("postgres") as room:
        yield room


class Mine:
    def __init__(self, connection):
        self.connection = connection
        self.tx = None

    async def begin(self):
        self.tx = self.connection.transaction()
        await self.tx.start()

    async def commit(self):
        await self.tx.commit()
        await self.begin()

    async def rollback(self):
        await self.tx.rollback()
        await self.begin()


class TestPostgres(DriverSuite):
    driver_class = PostgresDriver
    lease = 0.5
    quiet = 0.05
    room: Room

    @pytest.fixture(autouse=True)
    def _server(self, postgres_server: Room) -> None:
        self.room, self.url = postgres_server, postgres_server.url

    @pytest.fixture
    def new_driver(self) -> NewDriver:
        options = PostgresOptions(postgres_dsn=Secret(self.url))
        return lambda context: PostgresDriver(options, context)

    async def restart_backend(self) -> None:
        await asyncio.to_thread(self.room.stop)
        await asyncio.to_thread(self.room.start)

    @asynccontextmanager
    async def transaction(self):
        connection = await asyncpg.connect(self.url)
        mine = Mine(connection)
        await mine.begin()
        try:
            yield mine
        finally:
            await connection.close()
