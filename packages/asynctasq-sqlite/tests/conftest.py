"""Files of their own, and drivers that are closed when a test ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import pytest_asyncio

from asynctasq.driver import Context, Message
from asynctasq_drivers.sqlite import SqliteDriver, SqliteOptions

Make: TypeAlias = Callable[..., SqliteDriver]
Open: TypeAlias = Callable[..., Awaitable[SqliteDriver]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.db"


@pytest.fixture
def make(path: Path) -> Make:
    """Makes an unopened driver; options without their prefix, a context if it matters."""

    def make(context: Context | None = None, **options: Any) -> SqliteDriver:
        named = {f"sqlite_{name}": value for name, value in {"path": str(path), **options}.items()}
        return SqliteDriver(SqliteOptions(**named), context or Context())

    return make


@pytest_asyncio.fixture
async def opened(make: Make) -> AsyncIterator[Open]:
    """Opens drivers."""
    made: list[SqliteDriver] = []

    async def opened(context: Context | None = None, **options: Any) -> SqliteDriver:
        made.append(make(context, **options))
        await made[-1].open()
        return made[-1]

    yield opened
    for driver in made:
        await driver.close()


@pytest_asyncio.fixture
async def driver(opened: Open) -> SqliteDriver:
    return await opened()


def message(body: bytes = b"payload", **fields: Any) -> Message:
    return Message(**{"queue": "mail", "body": body, "visibility_timeout": 60.0, **fields})
