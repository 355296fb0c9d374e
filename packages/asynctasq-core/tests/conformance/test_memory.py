"""The reference driver keeps the whole contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from asynctasq.memory import MemoryDriver, MemoryTransaction
from asynctasq.testing import DriverSuite, NewDriver


class _Transaction:
    """The caller's transaction, as the suite speaks to it."""

    def __init__(self) -> None:
        self.connection = MemoryTransaction()

    async def commit(self) -> None:
        self.connection.commit()

    async def rollback(self) -> None:
        self.connection.rollback()


class TestMemory(DriverSuite):
    driver_class = MemoryDriver
    lease = 0.2
    quiet = 0.03

    @pytest.fixture
    def new_driver(self) -> NewDriver:
        return lambda context: MemoryDriver(None, context)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[_Transaction]:
        yield _Transaction()
