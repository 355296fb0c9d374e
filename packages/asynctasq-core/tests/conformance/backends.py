"""What the suite needs to know of each kind of driver that is tried out here."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager

import pytest

from asynctasq.driver import Driver
from asynctasq.memory import MemoryTransaction
from asynctasq.testing import NewDriver
from asynctasq.testing._group import Group

from .migrating import MigratingDriver, Schema
from .modest import ModestDriver
from .remote_server import Server


class Transaction:
    """A transaction of the memory backend, as the suite speaks to it."""

    def __init__(self) -> None:
        self.connection = MemoryTransaction()

    async def commit(self) -> None:
        self.connection.commit()

    async def rollback(self) -> None:
        self.connection.rollback()


class InProcess(Group):
    """The memory driver and its kin."""

    lease = 0.2
    quiet = 0.03

    @pytest.fixture
    def new_driver(self) -> NewDriver:
        return lambda context: self.driver_class(None, context)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        begun = Transaction()
        try:
            yield begun
        finally:
            await begun.rollback()


class ByConnection(InProcess):
    """A driver whose leases are tied to its connection."""

    def kill(self, driver: Driver) -> None:
        assert isinstance(driver, ModestDriver)
        driver.drop_connection()


class WithSchema(InProcess):
    """A driver that keeps its messages in a schema."""

    @pytest.fixture
    def new_driver(self) -> NewDriver:
        return self.empty_schema()

    def empty_schema(self) -> NewDriver:
        schema = Schema()
        return lambda context: self.driver_class(schema, context)

    def kill(self, driver: Driver) -> None:
        assert isinstance(driver, MigratingDriver)
        driver.end_of_session()


class OnServer(Group):
    """A driver with connections that can be lost."""

    lease = 0.3
    quiet = 0.05

    @pytest.fixture(autouse=True)
    def running_server(self) -> Generator[None]:
        server_class: type[Server] = getattr(self.driver_class, "server_class", Server)
        with server_class() as self.server:
            yield

    @pytest.fixture
    def new_driver(self) -> NewDriver:
        port = self.server.port
        return lambda context: self.driver_class(port, context)

    async def restart_backend(self) -> None:
        self.server.cut()
        self.server.heal()

    @asynccontextmanager
    async def cut_backend(self) -> AsyncGenerator[None]:
        self.server.cut()
        yield
        self.server.heal()
