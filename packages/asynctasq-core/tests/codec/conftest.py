"""What the tests of the envelope share: a memory backend to dispatch to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

import asynctasq
from asynctasq.driver import Context
from asynctasq.memory import MemoryDriver


@pytest_asyncio.fixture
async def backend(clean: Path) -> AsyncIterator[MemoryDriver]:
    """A configured memory backend, and a driver to look into it."""
    asynctasq.init({"driver": "memory"})
    driver = MemoryDriver(None, Context())
    await driver.open()
    yield driver
    await driver.close()
    await asynctasq.close()
