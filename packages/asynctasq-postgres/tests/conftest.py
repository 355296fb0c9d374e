"""What tests share: a server for each worker of pytest, and a way to a database for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

import asynctasq
from tools.backends import Room, private
from tools.driver_tests import leftovers

from .effects import TABLE
from .servers.own import ask, database_of
from .servers.pgbouncer import pgbouncer
from .servers.proxy import Proxy, proxy
from .shop import Shop


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Room]:
    """As durable as by default, for more clients."""
    with private("postgres", "-c", "max_connections=200") as room:
        yield room


@pytest.fixture(scope="session")
def postgres_proxy(postgres_server: Room) -> Iterator[Proxy]:
    """In front of that server."""
    with proxy(postgres_server.url) as between:
        yield between


@pytest.fixture(scope="session")
def postgres_bouncer(postgres_server: Room) -> Iterator[Room]:
    """In front of that server, with fewer connections than most tests have clients."""
    with pgbouncer(postgres_server, connections=10) as room:
        yield room


@pytest.fixture
def database(postgres_server: Room) -> Iterator[str]:
    """The URL of an empty one, for this test."""
    with database_of(postgres_server) as dsn:
        yield dsn


stack = leftovers.stack


@pytest_asyncio.fixture
async def shop(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Shop]:
    """A database for tasks that leave rows there; no configuration of anybody's is read."""
    monkeypatch.chdir(tmp_path)
    ask(database, TABLE)
    made = Shop(database, tmp_path / "log")
    made.init()
    yield made
    await asynctasq.close()
