"""The whole public conformance suite, on files of their own."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from asynctasq.driver import Context, Driver, JoinsTransaction
from asynctasq.errors import BackendRefused
from asynctasq.testing import DriverSuite, NewDriver
from asynctasq.testing._rig import Rig
from asynctasq_drivers.sqlite import SqliteDriver, SqliteOptions


class Transaction:
    """A transaction on a connection of the caller's, as the suite speaks to it."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path)

    async def commit(self) -> None:
        self.connection.commit()

    async def rollback(self) -> None:
        self.connection.rollback()


class TestSqlite(DriverSuite):
    driver_class = SqliteDriver
    backend = f"SQLite {sqlite3.sqlite_version}"
    lease = 0.3
    quiet = 0.05

    @pytest.fixture(autouse=True)
    def path(self, tmp_path: Path) -> Path:
        self.folder = tmp_path
        self.schemas = 0
        return tmp_path / "suite.db"

    @pytest.fixture
    def new_driver(self, path: Path) -> NewDriver:
        return lambda context: SqliteDriver(SqliteOptions(sqlite_path=str(path)), context)

    def kill(self, driver: Driver) -> None:
        """A dead process has no thread, and no connection."""
        assert isinstance(driver, SqliteDriver)
        if driver._engine is not None:
            driver._engine.stop()
            driver._engine.join(5.0)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        mine = Transaction(self.folder / "suite.db")
        try:
            yield mine
        finally:
            mine.connection.close()

    async def test_a_second_transaction_is_refused_at_once_and_can_go_on(
        self, rig: Rig, driver: Driver, joining: JoinsTransaction, queue: str
    ) -> None:
        """A file has one writer at a time."""
        kept, dropped, later = (rig.message(queue) for _ in range(3))
        async with self.transaction() as one, self.transaction() as other:
            await joining.enqueue_in(one.connection, [kept])
            async with asyncio.timeout(1.0):
                with pytest.raises(BackendRefused, match="commit it first"):
                    await joining.enqueue_in(other.connection, [dropped])
            await other.rollback()
            await one.commit()
            await joining.enqueue_in(other.connection, [later])
            await other.commit()
        came = await rig.take(driver, queue, 2)
        assert {d.id for d in came} == {kept.id, later.id}
        await rig.nothing(driver, queue, "it was refused")

    def empty_schema(self) -> NewDriver:
        self.schemas += 1
        options = SqliteOptions(sqlite_path=str(self.folder / f"empty-{self.schemas}.db"))

        def make(context: Context) -> Driver:
            return SqliteDriver(options, context)

        return make
