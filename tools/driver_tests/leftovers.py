"""Nothing that a test has opened is left behind, and nothing goes wrong unseen."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest_asyncio


@pytest_asyncio.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What is open, or went wrong unseen, once it has ended is left behind: the test fails."""
    unseen: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
    async with AsyncExitStack() as made:
        yield made
    gc.collect()
    assert not unseen, unseen
